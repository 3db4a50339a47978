//! Peak memory of one forward and backward pass, in a process of its own.

use super::family::Member;
use super::model::{D_HEAD, HEADS};
use attn_core::Mechanism;
use burn::tensor::{Device, Distribution, Tensor};
use std::process::Command;
use std::{env, fs};

/// Queries and keys of the pass.
pub const STEPS: usize = 1024;

/// Peak of `member` above what the process had before, in bytes, by starting this program again;
/// `None` where the system does not say.
pub fn measure_in_process(member: &Member, device: &str) -> Option<u64> {
    let output = Command::new(env::current_exe().ok()?)
        .args(["--measure", member.name, "--device", device])
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The same in this process, which must be a fresh one.
pub fn measure(member: &Member, device: &Device) -> Option<u64> {
    let device = device.clone().autodiff();
    let mechanism = member.config.init(&device);
    let tensor = || {
        let shape = [1, HEADS, STEPS, D_HEAD];
        Tensor::<4>::random(shape, Distribution::Default, &device).require_grad()
    };
    let (query, key, value) = (tensor(), tensor(), tensor());
    let mask = (member.mask)(STEPS);
    let before = peak()?;
    let context = mechanism.forward(query, key, value, &mask);
    let gradients = context.sum().backward();
    let peak = peak()?;
    drop(gradients);
    Some(peak - before)
}

/// Most bytes that this process has had resident at once.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
