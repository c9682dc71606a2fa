//! What a host shows to plain tools: every file that a config of ours could reach, and the state of
//! its units, packages, kernel and mounts.

use std::collections::BTreeMap;

use crate::fleet::Host;

/// One line for each thing: what it is, a tab, and what it is like. A file is named by its path and
/// told by its inode and times too, so that nobody touches it unseen.
pub const SCRIPT: &str = r#"
for dir in /etc /home /nowhere /opt /root /srv /usr/local /var/spool/cron; do
    find $dir ! -path '/srv/lab-repo*' ! -path '*/.git/*' \
        \( -type d -printf '%p\tdir %m %U:%G\n' \) -o \
        \( -type l -printf '%p\tlink %l %U:%G\n' \) -o \
        -printf '%p\t%y %m %U:%G %s bytes, inode %i, changed %C@\n'
done
dpkg-query -W -f 'package:${Package}\t${Version} ${db:Status-Status} ${db:Status-Want}\n'
for unit in cron hpu hpv hpt-a hpt-b hpt-firewall; do echo $unit.service $unit.timer; done | xargs \
    systemctl show -P Id -P ActiveState -P UnitFileState | paste -d ' ' - - - - |
    sed 's/^/unit:/; s/ /\t/'
for key in net.ipv4.ip_forward net.ipv4.conf.all.log_martians; do
    printf 'sysctl:%s\t%s\n' $key "$(sysctl -n $key)"
done
printf 'hostname:\t%s\n' "$(hostname)"
findmnt -rno TARGET,SOURCE | grep -E '^/(srv|nowhere|swap)' | sed 's/^/mount:/; s/ /\t/'
printf 'nft:\t%s\n' "$(nft list ruleset | tr '\n\t' '  ')"
"#;

/// What each thing is like, by its name.
pub struct Snapshot(pub BTreeMap<String, String>);

impl Host<'_> {
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::parse(&self.shell(SCRIPT))
    }
}

impl Snapshot {
    pub fn parse(text: &str) -> Self {
        let pair = |line: &str| {
            let (name, like) = line.split_once('\t')?;
            Some((name.to_owned(), like.to_owned()))
        };
        let all: BTreeMap<_, _> = text.lines().filter_map(pair).collect();
        assert!(all.contains_key("/etc/passwd"), "no snapshot: {text}");
        Self(all)
    }

    /// What is another thing in `later`, there alone, or here alone; in words.
    pub fn changes(&self, later: &Self) -> Vec<(String, String)> {
        let names = self.0.keys().chain(later.0.keys());
        let mut all: Vec<_> = names
            .filter(|name| self.0.get(*name) != later.0.get(*name))
            .map(|name| {
                let like = |of: &Self| of.0.get(name).map_or("nothing", |s| s).to_owned();
                (name.clone(), format!("{} -> {}", like(self), like(later)))
            })
            .collect();
        all.sort();
        all.dedup();
        all
    }

    /// A path with the symbolic links above it followed, as far as they are known here.
    pub fn resolved(&self, path: &str) -> String {
        let mut path = path.to_owned();
        for _ in 0..8 {
            let parents = path
                .match_indices('/')
                .map(|(at, _)| at)
                .filter(|at| *at > 0);
            let link = parents.into_iter().find_map(|at| {
                let like = self.0.get(&path[..at])?.strip_prefix("link ")?;
                let (to, _) = like.rsplit_once(' ')?;
                Some(format!("{to}{}", &path[at..]))
            });
            match link {
                Some(further) => path = further,
                None => break,
            }
        }
        path
    }
}
