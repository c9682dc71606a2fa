//! Kernel modules: `/proc/modules`, and the lists that come with a kernel.

use std::fs;
use std::path::Path;

use super::super::command::Spawn;
use crate::host::HostError;
use crate::host::setting::Setting;
use crate::name::ModuleName;

/// Whether a module is loaded, could be, or is unknown to the running kernel.
pub(super) fn module(name: &ModuleName) -> Result<Option<String>, HostError> {
    let read = |path: &Path| match fs::read_to_string(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(HostError::io("cannot read", path.display(), &error))
        }
        text => Ok(text.unwrap_or_default()),
    };
    let loaded = read(Path::new("/proc/modules"))?;
    if loaded
        .lines()
        .any(|line| line.split(' ').next() == Some(name.as_str()))
    {
        return Ok(Some(Setting::LOADED.to_owned()));
    }
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let dir = Path::new("/lib/modules").join(release);
    let lists = |file: &str| read(&dir.join(file)).map(|text| names(&text, name.as_str()));
    if lists("modules.builtin")? {
        return Ok(Some(Setting::LOADED.to_owned()));
    }
    Ok(lists("modules.dep")?.then(|| Setting::UNLOADED.to_owned()))
}

/// Whether a list of module files, with or without what each needs, has one of this name.
fn names(list: &str, name: &str) -> bool {
    list.lines().any(|line| {
        let file = line.split(':').next().unwrap_or(line);
        let file = file.rsplit('/').next().unwrap_or(file);
        let stem = file.split_once(".ko").map_or(file, |(stem, _)| stem);
        stem.len() == name.len() && stem.replace('-', "_") == name
    })
}

/// Loads a module with what it needs, or unloads it.
pub(super) fn set(name: &ModuleName, loaded: bool) -> Result<(), HostError> {
    let unload = (!loaded).then_some("-r");
    let args = unload.into_iter().chain(["--", name.as_str()]);
    Spawn::tool("modprobe", args)
        .succeed(&mut |_, _| {})
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_found_by_its_file() {
        let dep = "kernel/net/bridge/br_netfilter.ko.xz: kernel/net/bridge/bridge.ko.xz\nkernel/drivers/net/virtio-net.ko:\n";
        assert!(names(dep, "br_netfilter") && names(dep, "virtio_net"));
        assert!(!names(dep, "bridge") && !names(dep, "netfilter") && !names("", "x"));
    }
}
