//! `[[firewall]]`: which packets may come in, as one table of nftables that is replaced as a whole.

mod rival;
mod rule;

use serde::Deserialize;

use self::rule::Rule;
use crate::PORT;
use crate::block::conf::{self, Steps};
use crate::block::unit::state::{self, Wanted};
use crate::block::{Decision, Holding, Kind, Verb};
use crate::effect::Effect;
use crate::host::overlay::Fate;
use crate::host::setting::Setting;
use crate::host::{EntryKind, HostError, Key};
use crate::name::{AbsPath, UnitName};
use crate::view::View;

/// The host's packet filter for what comes in: the table `inet hpt`, in `/etc/nftables.d/hpt.nft`,
/// loaded now and at boot by `hpt-firewall.service`. Other tables are left alone, unless it is
/// `exclusive`.
///
/// Whatever the rules say, these come in first: packets of established connections, those of the
/// host itself, hpt's own port 6632 over TCP, ICMP and `ICMPv6`. Then `deny`, `allow` and `default`
/// decide, in this order. What is forwarded or goes out is not filtered. What others change inside
/// the table is not seen until it is loaded anew; that they took it away is.
///
/// ```toml
/// [[firewall]]
/// default = "drop"
/// allow = [{ port = 22, from = "10.0.0.0/8" }, { port = 80 }, { port = 443 }]
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Firewall {
    /// What filters: `"nft"`, or `"auto"`, which is `"nft"` unless firewalld or ufw is active: the
    /// block is blocked then, as two would filter; `"auto"`. `"firewalld"` and `"ufw"` come with a later
    /// version.
    #[serde(default)]
    backend: Backend,
    /// What becomes of a packet that no rule is about: `"drop"` or `"accept"`; `"drop"`.
    #[serde(default)]
    default: Verdict,
    /// What may come in: a list of `{ port, proto, from, iface }`, such as
    /// `[{ port = 22, from = "10.0.0.0/8" }, { port = "8000-8100", proto = "udp" }]`; none.
    #[serde(default)]
    allow: Vec<Rule>,
    /// What may not, whatever `allow` says: a list of the same; none.
    #[serde(default)]
    deny: Vec<Rule>,
    /// Whether no other table of nftables stays: when the rules are loaded, now and at boot, every
    /// other one goes in the same step, those of Docker, iptables-nft and fail2ban too; false. One that
    /// others add later stays until the rules are loaded again. hpt's own port stays open.
    #[serde(default)]
    exclusive: bool,
    /// The table, its file and its service must not be there; false.
    #[serde(default)]
    absent: bool,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
enum Backend {
    #[default]
    Auto,
    Nft,
    /// Comes with a later version.
    Firewalld,
    /// Comes with a later version.
    Ufw,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Accept,
    #[default]
    Drop,
}

const NFT: &str = "/usr/sbin/nft";
const RULES: &str = "/etc/nftables.d/hpt.nft";
const UNITS: &str = "/etc/systemd/system";
const UNIT: &str = "/etc/systemd/system/hpt-firewall.service";
const WANTED: &str = "/etc/systemd/system/sysinit.target.wants/hpt-firewall.service";

/// Loads the rules before there is a network, and again after whoever flushes all tables.
const UNIT_TEXT: &str = "\
[Unit]
Description=Packet filter rules of hpt
Documentation=man:nft(8)
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=nftables.service
PartOf=nftables.service
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ProtectSystem=full
ProtectHome=true
ExecStart=/usr/sbin/nft -f /etc/nftables.d/hpt.nft
ExecStartPost=/bin/cp /etc/nftables.d/hpt.nft /run/hpt-firewall.nft
ExecStop=/bin/rm -f /run/hpt-firewall.nft

[Install]
WantedBy=sysinit.target
";

impl Kind for Firewall {
    const NAME: &'static str = "firewall";

    fn primary(&self) -> String {
        "hpt".to_owned()
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        if matches!(self.backend, Backend::Firewalld | Backend::Ufw) {
            let what =
                "this backend comes with a later version of hpt; \"auto\" and \"nft\" are there";
            complain("backend", what.to_owned());
        }
        if self.absent && !(self.allow.is_empty() && self.deny.is_empty()) {
            complain("absent", "an absent firewall has no rules".to_owned());
        }
        if self.absent && self.exclusive {
            let what = "an absent firewall takes away no table but its own";
            complain("exclusive", what.to_owned());
        }
    }

    fn reads(&self) -> Vec<Key> {
        let mut keys = vec![
            Key::Setting(Setting::Ruleset),
            Key::Path(fixed(WANTED)),
            Key::Unit(service().into()),
        ];
        for path in [RULES, UNIT].map(fixed) {
            keys.extend([Key::Path(path.clone()), Key::Content(path)]);
        }
        if self.minds_rivals() {
            keys.extend(rival::reads());
        }
        keys
    }

    fn holdings(&self) -> Vec<Holding> {
        if self.absent {
            return Vec::new();
        }
        let holding = Holding::of([Key::Setting(Setting::Ruleset), Key::Path(fixed(RULES))]);
        vec![holding.absent_by("firewall", [])]
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, HostError> {
        let mut steps = Steps::default();
        let runs = view.powers().kernel;
        let now = if runs {
            match view.setting(&Setting::Ruleset)? {
                Fate::Unknown(cause) => return Ok(Decision::Maybe(cause)),
                Fate::Is(now) => now,
            }
        } else {
            steps.leave("only the files: this root does not run, or hpt is not root");
            None
        };
        if self.absent {
            return removal(steps, now.is_some(), view);
        }
        if self.minds_rivals()
            && let Some(stop) = rival::decide(view)?
        {
            return Ok(stop);
        }
        let (text, mark) = self.table();
        if let Some(stop) = steps.write(&fixed(RULES), &text, view)? {
            return Ok(stop);
        }
        let loaded = !runs || now.as_ref() == Some(&mark);
        if (!steps.effects.is_empty() || !loaded) && view.path(&fixed(NFT))? == Fate::Is(None) {
            return Ok(match view.pending_install() {
                Some(cause) => Decision::Maybe(cause),
                None => Decision::Blocked(
                    "nftables is not installed on this host; add the package nftables before this block"
                        .to_owned(),
                ),
            });
        }
        if runs {
            // The kernel's own judgement, before anything reads the file.
            for effect in &mut steps.effects {
                if let Effect::WriteFile(file) = effect {
                    file.verify = Some([NFT, "-c", "-f", "%s"].map(ToOwned::to_owned).to_vec());
                }
            }
        }
        if !loaded {
            steps.say(Verb::Update, format!("load {} rules", self.rules()));
            if self.exclusive {
                steps.say(Verb::Update, "every other nftables table goes");
            }
            steps.set(Setting::Ruleset, Some(mark));
        }
        let stop = boot(&mut steps, view)?;
        Ok(stop.unwrap_or_else(|| steps.decide()))
    }
}

impl Firewall {
    /// Whether nobody else may filter.
    fn minds_rivals(&self) -> bool {
        self.backend == Backend::Auto && !self.absent
    }

    fn rules(&self) -> usize {
        self.allow.len() + self.deny.len()
    }

    /// The rules as nft reads them, all or none; and the mark by which they are known once loaded.
    fn table(&self) -> (String, String) {
        let policy = match self.default {
            Verdict::Accept => "accept",
            Verdict::Drop => "drop",
        };
        // Protocols by number: a minimal host has no /etc/protocols. 1 is ICMP, 58 ICMPv6.
        let mut rules = format!(
            "\t\ttype filter hook input priority filter; policy {policy};\n\
             \t\tiif \"lo\" accept\n\
             \t\tct state established,related accept\n\
             \t\ttcp dport {PORT} accept\n\
             \t\tmeta l4proto {{ 1, 58 }} accept\n"
        );
        for (list, verdict) in [(&self.deny, "drop"), (&self.allow, "accept")] {
            for rule in list {
                rules.push_str(&format!("\t\t{rule}{verdict}\n"));
            }
        }
        // nft takes a file as one change: no packet meets a host between two sets of rules.
        let before = if self.exclusive {
            "flush ruleset\n"
        } else {
            "table inet hpt\ndelete table inet hpt\n"
        };
        let hash = blake3::hash(format!("{before}{rules}").as_bytes()).to_hex();
        let mark = format!("hpt {}", &hash[..32]);
        let text = format!(
            "#!{NFT} -f\n# Made by hpt: [[firewall]].\n\
             {before}table inet hpt {{\n\tcomment \"{mark}\"\n\tchain input {{\n{rules}\t}}\n}}\n"
        );
        (text, mark)
    }
}

/// The service that loads the rules at boot, where systemd does that. It runs from now on: only then
/// does it load them again when `nftables.service` is restarted, which takes all tables away.
fn boot(steps: &mut Steps, view: &View<'_>) -> conf::Gathered {
    match view.path(&fixed(UNITS))? {
        Fate::Unknown(cause) => return Ok(Some(Decision::Maybe(cause))),
        Fate::Is(None) => return Ok(None),
        Fate::Is(Some(_)) => {}
    }
    if let Some(stop) = steps.write(&fixed(UNIT), UNIT_TEXT, view)? {
        return Ok(Some(stop));
    }
    let link = fixed(WANTED);
    match view.path(&link)? {
        Fate::Unknown(cause) => return Ok(Some(Decision::Maybe(cause))),
        Fate::Is(Some(entry)) if entry.kind == EntryKind::Symlink(UNIT.to_owned()) => {}
        Fate::Is(_) => {
            if let Some(stop) = steps.make_parents(&link, view)? {
                return Ok(Some(stop));
            }
            steps.say(Verb::Update, "load them at boot");
            steps.effects.push(Effect::Link {
                path: link,
                to: UNIT.to_owned(),
            });
        }
    }
    run(steps, true, view)
}

/// Starts or stops the service, where systemd runs.
fn run(steps: &mut Steps, active: bool, view: &View<'_>) -> conf::Gathered {
    if !view.powers().services {
        return Ok(None);
    }
    let wanted = Wanted {
        active: Some(active),
        written: active.then_some(UNIT_TEXT),
        ..Wanted::default()
    };
    match state::judge(&service(), &wanted, view)? {
        Err(stop) => return Ok(Some(stop)),
        Ok(found) => {
            for word in found.words {
                let verb = if active { Verb::Update } else { Verb::Delete };
                steps.say(verb, format!("{word} {}", service()));
            }
            steps.effects.extend(found.effects);
        }
    }
    Ok(None)
}

fn removal(mut steps: Steps, loaded: bool, view: &View<'_>) -> Result<Decision, HostError> {
    if matches!(view.path(&fixed(UNIT))?, Fate::Is(Some(_)))
        && let Some(stop) = run(&mut steps, false, view)?
    {
        return Ok(stop);
    }
    for path in [WANTED, UNIT, RULES] {
        if let Some(stop) = steps.remove(&fixed(path), view)? {
            return Ok(stop);
        }
    }
    if loaded {
        steps.say(Verb::Delete, "all packets come in");
        steps.set(Setting::Ruleset, None);
    }
    Ok(steps.decide())
}

fn service() -> UnitName {
    UnitName::parse("hpt-firewall.service").expect("a plain name")
}

fn fixed(path: &str) -> AbsPath {
    AbsPath::parse(path).expect("a plain path")
}
