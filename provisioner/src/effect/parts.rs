//! What an effect consists of: an apply that finds some of it done has the rest to do, and no more.

use super::{Access, Effect, GroupEdit, Transaction, UserEdit, UserShape, WriteFile};
use crate::name::{AbsPath, UserName};

impl Effect {
    /// The least effects that it consists of: an apply that finds a part of it done has the others to do.
    pub(crate) fn parts(&self) -> Vec<Self> {
        match self {
            Self::SetAccess { path, access } => access_parts(path, access),
            Self::Packages(transaction) => package_parts(transaction),
            Self::Group(GroupEdit::AddMembers { name, members }) => {
                let alone = |member: &UserName| {
                    let (name, members) = (name.clone(), vec![member.clone()]);
                    Self::Group(GroupEdit::AddMembers { name, members })
                };
                members.iter().map(alone).collect()
            }
            Self::User(UserEdit::Modify { name, to }) => user_parts(name, to),
            whole => vec![whole.clone()],
        }
    }

    /// What it comes to where the thing that it makes is there by then, and is not as it should be.
    pub(crate) fn rest(&self) -> Vec<Self> {
        match self {
            Self::WriteFile(WriteFile { path, access, .. }) | Self::MakeDir { path, access } => {
                access_parts(path, access)
            }
            Self::Group(GroupEdit::Add {
                name,
                gid: Some(gid),
                ..
            }) => {
                let (name, gid) = (name.clone(), *gid);
                vec![Self::Group(GroupEdit::SetGid { name, gid })]
            }
            Self::User(UserEdit::Add { name, as_, .. }) => user_parts(name, as_),
            _ => Vec::new(),
        }
    }
}

fn access_parts(path: &AbsPath, access: &Access) -> Vec<Effect> {
    let Access { owner, group, mode } = access.clone();
    let nothing = Access::default;
    let parts = [
        owner.map(|owner| Access {
            owner: Some(owner),
            ..nothing()
        }),
        group.map(|group| Access {
            group: Some(group),
            ..nothing()
        }),
        mode.map(|mode| Access {
            mode: Some(mode),
            ..nothing()
        }),
    ];
    let alone = |access| Effect::SetAccess {
        path: path.clone(),
        access,
    };
    parts.into_iter().flatten().map(alone).collect()
}

/// Refreshing the lists is no part: it changes no package.
fn package_parts(transaction: &Transaction) -> Vec<Effect> {
    let Transaction {
        install,
        upgrade,
        remove,
        hold,
        unhold,
        refresh: _,
    } = transaction.clone();
    let nothing = Transaction::default;
    let installs = install.into_iter().map(|want| Transaction {
        install: vec![want],
        ..nothing()
    });
    let upgrades = upgrade.into_iter().map(|name| Transaction {
        upgrade: vec![name],
        ..nothing()
    });
    let removes = remove.into_iter().map(|name| Transaction {
        remove: vec![name],
        ..nothing()
    });
    let holds = hold.into_iter().map(|name| Transaction {
        hold: vec![name],
        ..nothing()
    });
    let releases = unhold.into_iter().map(|name| Transaction {
        unhold: vec![name],
        ..nothing()
    });
    let all = installs
        .chain(upgrades)
        .chain(removes)
        .chain(holds)
        .chain(releases);
    all.map(Effect::Packages).collect()
}

fn user_parts(name: &UserName, shape: &UserShape) -> Vec<Effect> {
    let UserShape {
        uid,
        group,
        comment,
        home,
        shell,
        join,
        leave,
        password_hash,
        locked,
        expires,
    } = shape.clone();
    let nothing = UserShape::default;
    let fields = [
        uid.map(|uid| UserShape {
            uid: Some(uid),
            ..nothing()
        }),
        group.map(|group| UserShape {
            group: Some(group),
            ..nothing()
        }),
        comment.map(|comment| UserShape {
            comment: Some(comment),
            ..nothing()
        }),
        home.map(|home| UserShape {
            home: Some(home),
            ..nothing()
        }),
        shell.map(|shell| UserShape {
            shell: Some(shell),
            ..nothing()
        }),
        password_hash.map(|hash| UserShape {
            password_hash: Some(hash),
            ..nothing()
        }),
        locked.map(|locked| UserShape {
            locked: Some(locked),
            ..nothing()
        }),
        expires.map(|expires| UserShape {
            expires: Some(expires),
            ..nothing()
        }),
    ];
    let joins = join.into_iter().map(|group| UserShape {
        join: vec![group],
        ..nothing()
    });
    let leaves = leave.into_iter().map(|group| UserShape {
        leave: vec![group],
        ..nothing()
    });
    let all = fields.into_iter().flatten().chain(joins).chain(leaves);
    let alone = |to| {
        let name = name.clone();
        Effect::User(UserEdit::Modify { name, to })
    };
    all.map(alone).collect()
}
