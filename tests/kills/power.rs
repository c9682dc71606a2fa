//! J1: a host that loses its power, and with it what was not synced, tells the truth when it is back,
//! and nothing is gone that was told as done.

use std::sync::Mutex;
use std::time::Instant;

use super::disk::LOSSES;
use super::host::{Host, Ran};
use super::judge::Reference;
use super::record::record;
use super::{cases, choice, is_usable, random, seed};

/// Of each case, how many disks a host comes up with; 1,000 in all.
const IMAGES: usize = 36;

#[test]
#[allow(clippy::print_stdout, reason = "says what was tried")]
fn a_host_that_loses_its_power_tells_the_truth() {
    if !is_usable() {
        return;
    }
    let began = Instant::now();
    let cases = cases();
    let count = if choice().is_some() {
        IMAGES * 10
    } else {
        IMAGES
    };
    let (queue, tried, wrong) = (
        Mutex::new(cases.iter()),
        Mutex::new(0),
        Mutex::new(Vec::new()),
    );
    let work = || {
        while let Some(case) = { queue.lock().unwrap().next() } {
            let host = Host::new(case);
            let Some(disk) = record(&host) else {
                println!(
                    "{}: starts another process or thread, which is not followed",
                    case.name
                );
                continue;
            };
            let reference = Reference::of(&host);
            let mut random = random(seed(), case.name);
            for number in 0..count {
                let moment = random(disk.moments().end);
                let loss = LOSSES[random(LOSSES.len())];
                let (root, state) = disk.after_loss(moment, loss, &mut random);
                host.come_up(&root, &state);
                let told = disk.told(moment);
                let ran = Ran {
                    code: None,
                    signal: None,
                    said: told.clone(),
                    out: told,
                };
                let judged = reference.judge_lost(&host, &ran);
                if let Err(why) = judged {
                    let at = format!("{}, image {number}: {loss:?} at {moment}", case.name);
                    wrong.lock().unwrap().push(format!("{at}: {why}\n"));
                }
            }
            *tried.lock().unwrap() += count;
        }
    };
    std::thread::scope(|scope| {
        let cores: usize = std::thread::available_parallelism().map_or(2, Into::into);
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let (tried, wrong) = (tried.into_inner().unwrap(), wrong.into_inner().unwrap());
    let seconds = began.elapsed().as_secs();
    println!("{tried} images in {seconds} s, seed {}", seed());
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(tried >= count * cases.len() / 2, "most cases are followed");
}
