//! Reads the host: what was read in bulk first, and everything natively.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::sync::Arc;

use super::spot::{Spot, failed};
use super::{Live, checkout, files, managers, no_services, settings, unit_list};
use crate::effect::Transaction;
use crate::host::facts::Facts;
use crate::host::setting::Setting;
use crate::host::{
    Checkout, Entry, Group, Hash, HostError, Key, Memo, Newer, Observe, Package, Powers, Unit, User,
};
use crate::name::{
    AbsPath, GroupName, PackageName, SysctlKey, UnitId, UnitName, UnitScope, UserName,
};

impl Observe for Live {
    fn powers(&self) -> Powers {
        self.powers
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn prefetch(&self, keys: &[Key]) {
        let units: Vec<&UnitName> = keys
            .iter()
            .filter_map(|key| match key {
                Key::Unit(unit) if unit.scope == UnitScope::System => Some(&unit.name),
                _ => None,
            })
            .collect();
        let asks = self.powers.services && units.len() >= unit_list::FEW;
        std::thread::scope(|scope| {
            let running = asks.then(|| scope.spawn(|| self.systemds.host().running(&units)));
            self.snapshot.fill(&self.tree, &self.kept.hashes, keys);
            // What systemd did not say, it is asked when it matters.
            let running = running.and_then(|thread| thread.join().ok()?.ok());
            self.snapshot.keep_units(running.unwrap_or_default());
        });
    }

    fn path(&self, path: &AbsPath) -> Result<Option<Entry>, HostError> {
        if let Some(known) = self.snapshot.entry(path) {
            return known;
        }
        let Some(spot) = self.tree.spot(path)? else {
            return Ok(None);
        };
        spot.entry().map_err(|e| failed("cannot look at", path, e))
    }

    fn holds_besides(&self, dir: &AbsPath, gone: &[AbsPath]) -> Result<bool, HostError> {
        let gone: Vec<_> = gone
            .iter()
            .filter(|path| path.parent().as_ref() == Some(dir))
            .collect();
        let is_gone = |name: &OsStr| {
            gone.iter()
                .any(|path| path.as_path().file_name() == Some(name))
        };
        let spot = self.tree.spot(dir)?;
        let holds = |spot: Spot| spot.holds(|name| !is_gone(name));
        let cannot = |e| failed("cannot list", dir, e);
        spot.map_or(Ok(false), holds).map_err(cannot)
    }

    fn entries(&self, dir: &AbsPath) -> Result<Vec<String>, HostError> {
        let Some(spot) = self.tree.spot(dir)? else {
            return Ok(Vec::new());
        };
        let names = RefCell::new(Vec::new());
        let collect = |name: &OsStr| {
            names.borrow_mut().push(name.to_string_lossy().into_owned());
            false // and go on
        };
        spot.holds(collect)
            .map_err(|e| failed("cannot list", dir, e))?;
        let mut names = names.into_inner();
        names.sort_unstable();
        Ok(names)
    }

    fn hash(&self, path: &AbsPath) -> Result<Option<Hash>, HostError> {
        if let Some(known) = self.snapshot.hash(path) {
            return known;
        }
        let spot = self.tree.spot(path)?;
        spot.map_or(Ok(None), |spot| files::hash(&spot, path, &self.kept.hashes))
    }

    fn read(&self, path: &AbsPath) -> Result<Option<Arc<[u8]>>, HostError> {
        let spot = self.tree.spot(path)?;
        spot.map_or(Ok(None), |spot| files::read(&spot, path))
    }

    fn user(&self, name: &UserName) -> Result<Option<User>, HostError> {
        Ok(self
            .accounts_with(self.accounts()?, "passwd", name.as_str())?
            .user(name, |hash| self.fingerprint(hash)))
    }

    fn group(&self, name: &GroupName) -> Result<Option<Group>, HostError> {
        Ok(self
            .accounts_with(self.accounts()?, "group", name.as_str())?
            .group(name))
    }

    fn user_numbered(&self, uid: u32) -> Result<Option<UserName>, HostError> {
        Ok(self.accounts()?.user_numbered(uid))
    }

    fn group_numbered(&self, gid: u32) -> Result<Option<GroupName>, HostError> {
        Ok(self.accounts()?.group_numbered(gid))
    }

    fn primary_users(&self, group: &GroupName) -> Result<Vec<UserName>, HostError> {
        Ok(self.accounts()?.primary_users(group))
    }

    fn package(&self, name: &PackageName) -> Result<Option<Package>, HostError> {
        Ok(self.packages()?.get(name).cloned())
    }

    fn newer(&self, name: &PackageName) -> Result<Newer, HostError> {
        match self.manager.filter(|_| self.powers.packages) {
            Some(manager) => managers::newer(manager, name, &self.snapshot.asked_for_newer()),
            None => Ok(Newer::Unknown),
        }
    }

    fn objection(&self, wanted: &Transaction) -> Result<Option<String>, HostError> {
        let Some(manager) = self.manager.filter(|_| self.powers.packages) else {
            return Ok(None);
        };
        let packages = self.packages()?;
        if packages.any_unconfigured() {
            return Ok(None); // nobody can say before that is repaired
        }
        let mut wanted = wanted.clone();
        wanted.remove.retain(|name| packages.get(name).is_some());
        match manager.trial(self, &wanted)? {
            Some(call) => managers::objection(manager, &wanted, &call),
            None => Ok(None),
        }
    }

    fn unit(&self, unit: &UnitId) -> Result<Option<Unit>, HostError> {
        if !self.powers.services {
            return Err(no_services());
        }
        if unit.scope == UnitScope::System
            && let Some(known) = self.snapshot.unit(&unit.name)
        {
            return Ok(Some(known));
        }
        self.systemd_of(&unit.scope)?.unit(&unit.name)
    }

    fn checkout(&self, path: &AbsPath) -> Result<Option<Checkout>, HostError> {
        checkout::read(&self.tree, path)
    }

    fn setting(&self, setting: &Setting) -> Result<Option<String>, HostError> {
        settings::see(&self.tree, setting)
    }

    fn is_read_only(&self, key: &SysctlKey) -> bool {
        settings::is_read_only(key)
    }

    fn blob(&self, hash: &Hash) -> Result<Option<Arc<[u8]>>, HostError> {
        self.blobs.read(hash)
    }

    fn has_blob(&self, hash: &Hash) -> bool {
        self.blobs.has(hash)
    }

    fn remembers(&self, memo: &Memo) -> Result<bool, HostError> {
        self.memos.has(memo)
    }

    fn fingerprint(&self, secret: &[u8]) -> String {
        // 64 bits tell secrets of one host apart.
        blake3::keyed_hash(&self.key, secret).to_hex()[..16].to_owned()
    }
}
