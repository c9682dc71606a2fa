//! A run under strace, as a disk notices it.

use std::collections::HashMap;
use std::fs;

use super::disk::{Change, Disk, Node, Step, TreeName};
use super::host::Host;
use super::strace::HARMLESS;
use super::trace::{Traced, path_of};
use super::tree::{Entry, Tree, What};

/// Calls that move no byte of what is compared, and that [`HARMLESS`] does not name.
const ASIDE: [&str; 17] = [
    "arch_prctl",
    "execve",
    "exit_group",
    "flock",
    "fremovexattr",
    "fsetxattr",
    "getpid",
    "lgetxattr",
    "llistxattr",
    "lremovexattr",
    "lsetxattr",
    "madvise",
    "poll",
    "rseq",
    "set_robust_list",
    "set_tid_address",
    "utimensat",
];

/// What a disk hears of a whole run; `None` if the run started a process or a thread, which is not followed.
pub fn record(host: &Host<'_>) -> Option<Disk> {
    host.reset();
    let (root, state) = (host.tree(), Tree::of(&host.path("state")));
    let log = host.path("trace");
    let whole = ["-y", "-xx", "-s", "100000000", "-o", log.to_str().unwrap()];
    let ran = host.traced(&whole);
    assert_eq!(ran.code, Some(0), "{}: {}", host.case.name, ran.said);
    let mut recorder = Recorder {
        disk: Disk::new(&root, &state),
        root: host.path("root").to_str().unwrap().to_owned(),
        opens: HashMap::new(),
    };
    let text = fs::read_to_string(&log).unwrap();
    let calls: Vec<_> = text.lines().filter_map(Traced::parse).collect();
    let starts = ["clone", "clone3", "fork", "vfork"];
    if calls
        .iter()
        .any(|call| starts.contains(&call.name.as_str()))
    {
        return None;
    }
    for call in &calls {
        recorder.hear(call);
    }
    Some(recorder.disk)
}

struct Recorder {
    disk: Disk,
    root: String,
    opens: HashMap<i64, Open>,
}

/// An open file, and where it is read or written next.
#[derive(Clone)]
struct Open {
    path: String,
    /// If it is on the disk, or in memory alone.
    node: Option<Node>,
    at: usize,
    appends: bool,
}

impl Recorder {
    fn hear(&mut self, call: &Traced) {
        let Some(answer) = call.answer else {
            return; // it failed
        };
        match call.name.as_str() {
            "open" => self.open(call, answer, &call.words(1)),
            "openat" | "openat2" => self.open(call, answer, &call.words(2)),
            "fcntl" if call.words(1).starts_with("F_DUPFD") => {
                if let Some(open) = self.opens.get(&call.fd(0)) {
                    self.opens.insert(answer, open.clone());
                }
            }
            "memfd_create" => {
                let node = self.disk.node(TreeName::State, file(0));
                self.keep(answer, String::new(), Some(node), false);
            }
            "read" | "lseek" => {
                let moves = call.name == "read";
                if let Some(open) = self.opens.get_mut(&call.fd(0)) {
                    let start = if moves { open.at } else { 0 };
                    open.at = start + usize::try_from(answer).unwrap();
                }
            }
            "write" => self.write(call, answer),
            "pwrite64" => {
                if let Some(node) = self.node_of(call.fd(0)) {
                    let at = call.words(3).parse().unwrap();
                    self.change(Change::Write(node, at, call.bytes(1)));
                }
            }
            "copy_file_range" => self.copy(call, 0, 2, answer),
            "sendfile" => self.copy(call, 1, 0, answer),
            "ftruncate" => {
                if let Some(node) = self.node_of(call.fd(0)) {
                    self.change(Change::Length(node, call.words(1).parse().unwrap()));
                }
            }
            "fallocate" => {
                if let Some(node) = self.node_of(call.fd(0)) {
                    assert_eq!(call.words(1), "0", "it makes the file longer");
                    self.change(Change::Length(node, call.words(3).parse().unwrap()));
                }
            }
            "mkdir" => self.make_dir(&call.path(0), &call.words(1)),
            "mkdirat" => self.make_dir(&call.path_at(0), &call.words(2)),
            "symlinkat" => {
                let what = What::Link(call.text(0));
                self.enter(&call.path_at(1), what, 0o777);
            }
            "rename" => self.rename(&call.path(0), &call.path(1)),
            "renameat" | "renameat2" => self.rename(&call.path_at(0), &call.path_at(2)),
            "link" => self.link(&call.path(0), &call.path(1)),
            "linkat" => self.link(&call.path_at(0), &call.path_at(2)),
            "unlink" | "rmdir" => self.leave(&call.path(0)),
            "unlinkat" => self.leave(&call.path_at(0)),
            "chmod" => self.mode(&call.path(0), &call.words(1)),
            "fchmod" => self.mode(&call.fd_path(0), &call.words(1)),
            "fchmodat" => self.mode(&call.path_at(0), &call.words(2)),
            "fchown" => self.own(&call.fd_path(0), call, 1),
            "fchownat" => self.own(&call.path_at(0), call, 2),
            "fsync" | "fdatasync" => {
                if let Some(node) = self.find(&call.fd_path(0)) {
                    self.disk.steps.push(Step::Sync(node));
                }
            }
            "syncfs" => {
                if let Some((tree, _)) = self.split(&call.fd_path(0)) {
                    self.disk.steps.push(Step::SyncAll(tree));
                }
            }
            other => assert!(
                HARMLESS.contains(&other) || ASIDE.contains(&other),
                "what becomes of a disk is not known: {}",
                call.line
            ),
        }
    }

    fn open(&mut self, call: &Traced, fd: i64, flags: &str) {
        let path = path_of(&call.answer_text);
        let appends = flags.contains("O_APPEND");
        if self.find(&path).is_none() && flags.contains("O_CREAT") {
            let mode = call.words(call.args.len() - 1);
            self.enter(&path, file(0).what, octal(&mode));
        } else if flags.contains("O_TRUNC")
            && let Some(node) = self.find(&path)
        {
            self.change(Change::Length(node, 0));
        }
        let node = self.find(&path);
        self.keep(fd, path, node, appends);
    }

    fn keep(&mut self, fd: i64, path: String, node: Option<Node>, appends: bool) {
        let at = 0;
        let open = Open {
            path,
            node,
            at,
            appends,
        };
        self.opens.insert(fd, open);
    }

    fn write(&mut self, call: &Traced, count: i64) {
        let mut bytes = call.bytes(1);
        bytes.truncate(count.try_into().unwrap());
        let fd = call.fd(0);
        if fd == 1 {
            let text = String::from_utf8(bytes).unwrap();
            return self.disk.steps.push(Step::Told(text));
        }
        let Some(node) = self.node_of(fd) else {
            return;
        };
        let end = self.disk.length(node);
        let open = self.opens.get_mut(&fd).unwrap();
        let at = if open.appends { end } else { open.at };
        open.at = at + bytes.len();
        self.change(Change::Write(node, at, bytes));
    }

    /// The open files that are read and written stand in these arguments.
    fn copy(&mut self, call: &Traced, from: usize, to: usize, count: i64) {
        let count = usize::try_from(count).unwrap();
        let Some(node) = self.node_of(call.fd(to)) else {
            return;
        };
        let bytes = match self.node_of(call.fd(from)) {
            Some(node) => self.disk.content(node),
            None => fs::read(call.fd_path(from)).unwrap(),
        };
        let [at_in, at_out] = [from, to].map(|arg| {
            let open = self.opens.get_mut(&call.fd(arg)).unwrap();
            let at = open.at;
            open.at += count;
            at
        });
        self.change(Change::Write(
            node,
            at_out,
            bytes[at_in..at_in + count].to_vec(),
        ));
    }

    fn make_dir(&mut self, path: &str, mode: &str) {
        self.enter(path, What::Dir, octal(mode));
    }

    fn enter(&mut self, path: &str, what: What, mode: u32) {
        let Some((tree, _)) = self.split(path) else {
            return;
        };
        let owner = (0, 0);
        let node = self.disk.node(tree, Entry { what, mode, owner });
        let (dir, name) = self.place(path);
        self.change(Change::Enter(dir, name, node));
    }

    fn leave(&mut self, path: &str) {
        if self.split(path).is_some() {
            let (dir, name) = self.place(path);
            self.change(Change::Leave(dir, name));
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        if self.split(from).is_some() {
            let (from, to) = (self.place(from), self.place(to));
            self.change(Change::Move { from, to });
        }
    }

    fn link(&mut self, from: &str, to: &str) {
        if let Some(node) = self.find(&self.resolved(from)) {
            let (dir, name) = self.place(to);
            self.change(Change::Enter(dir, name, node));
        }
    }

    fn mode(&mut self, path: &str, mode: &str) {
        if let Some(node) = self.find(&self.resolved(path)) {
            self.change(Change::Mode(node, octal(mode)));
        }
    }

    fn own(&mut self, path: &str, call: &Traced, first: usize) {
        if let Some(node) = self.find(&self.resolved(path)) {
            let id = |arg| call.words(arg).parse().ok(); // -1 leaves it
            self.change(Change::Owner(node, id(first), id(first + 1)));
        }
    }

    /// What a name of an open file below /proc stands for.
    fn resolved(&self, path: &str) -> String {
        let fd = path.strip_prefix("/proc/self/fd/");
        let open = fd.and_then(|fd| self.opens.get(&fd.parse().ok()?));
        open.map_or_else(|| path.to_owned(), |open| open.path.clone())
    }

    /// The directory and the name of an entry.
    fn place(&self, path: &str) -> (Node, String) {
        let (dir, name) = path.rsplit_once('/').unwrap();
        let node = self.find(dir);
        let node = node.unwrap_or_else(|| panic!("{dir} is not known"));
        (node, name.to_owned())
    }

    fn node_of(&self, fd: i64) -> Option<Node> {
        self.opens.get(&fd)?.node
    }

    fn find(&self, path: &str) -> Option<Node> {
        let (tree, below) = self.split(path)?;
        self.disk.find(tree, below)
    }

    fn split<'a>(&self, path: &'a str) -> Option<(TreeName, &'a str)> {
        let state = path
            .strip_prefix("/var/lib/hpt")
            .map(|p| (TreeName::State, p));
        state.or_else(|| Some((TreeName::Root, path.strip_prefix(&self.root)?)))
    }

    fn change(&mut self, change: Change) {
        self.disk.change(change);
    }
}

fn file(mode: u32) -> Entry {
    Entry {
        what: What::File(Vec::new()),
        mode,
        owner: (0, 0),
    }
}

fn octal(digits: &str) -> u32 {
    u32::from_str_radix(digits, 8).unwrap()
}
