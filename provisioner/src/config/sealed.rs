//! `[secret.NAME]` that is sealed for targets: opened where the key is, told apart where it is not.

use crate::config::resource::{Resources, SecretSource};
use crate::config::scope::Scope;
use crate::fault::{Fault, Place};

/// Opens what is sealed for the scope's target. A config may be for several hosts: what is sealed
/// for others alone is a fault only where a block of this one names it.
pub(super) fn open(resources: &Resources, scope: &mut Scope, faults: &mut Vec<Fault>) {
    let mut shut = false;
    for (name, source) in &resources.secrets {
        let SecretSource::Sealed(letters) = source else {
            continue;
        };
        let place = &resources.secret_places[name];
        if letters.is_empty() {
            let fault = Fault::error(
                format!("[secret.{name}] is sealed for nobody"),
                place.clone(),
            );
            faults.push(fault.hint(format!("`hpt seal {name} TARGET` prints what to write")));
            continue;
        }
        let given = scope.secrets.as_ref();
        if scope.target.is_empty() || given.is_some_and(|given| given.contains_key(name)) {
            continue;
        }
        let Some(letter) = letters.get(&scope.target) else {
            let targets = and(letters.keys());
            let what = format!(
                "[secret.{name}] is sealed for {targets}, not for {}",
                scope.target
            );
            scope.elsewhere.insert(name.clone(), what);
            continue;
        };
        let (Some(opener), Some(secrets)) = (&scope.opener, &mut scope.secrets) else {
            continue;
        };
        match opener(name, letter.get_ref()) {
            Ok(secret) => drop(secrets.insert(name.clone(), secret)),
            Err(why) => {
                let at = Place {
                    file: place.file,
                    span: letter.span(),
                };
                let what = format!("[secret.{name}] cannot be opened: {why}");
                let hint = format!("`hpt seal {name} {}` seals it anew", scope.target);
                faults.push(Fault::error(what, at).hint(hint));
                shut = true;
            }
        }
    }
    if shut {
        // Whatever names one would be called wrong too, and the config is refused anyway.
        scope.secrets = None;
    }
}

/// "web1, web2 and db1"; the first few, if there are many.
fn and<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    const SHOWN: usize = 5;
    let more = names.len().saturating_sub(SHOWN);
    let mut names: Vec<String> = names.take(SHOWN).cloned().collect();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    match names.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => names.concat(),
    }
}
