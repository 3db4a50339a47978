//! What is fixed before a process begins: threads, instruction set, allocator.

use clap::ValueEnum;
use serde::Serialize;
use std::env;
use std::io;
use std::process::{Command, ExitStatus};

/// Instruction set that both sides are held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Isa {
    /// The 512-bit registers of x86-64.
    Avx512,
    /// AVX2 with FMA.
    Avx2,
}

/// Variables that change what the table says, in the order in which it prints them.
const TELLING: [&str; 5] = [
    "RAYON_NUM_THREADS",
    "ATTN_KERNELS_ISA",
    "ATEN_CPU_CAPABILITY",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TRIM_THRESHOLD_",
];

/// What this process and its Python need to find in their environment.
pub fn needed(threads: usize, isa: Option<Isa>) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        // Ours, candle and burn-flex; and the matrix products of burn-ndarray.
        ("RAYON_NUM_THREADS", threads.to_string()),
        ("MATMUL_NUM_THREADS", threads.to_string()),
    ];
    if let Some(isa) = isa {
        let name = match isa {
            Isa::Avx512 => "avx512",
            Isa::Avx2 => "avx2",
        };
        variables.push(("ATTN_KERNELS_ISA", name.to_string()));
        variables.push(("ATEN_CPU_CAPABILITY", name.to_string()));
    }
    variables
}

/// Runs the same command once more where `variables` are not all in force: each of them is read
/// before, or once at, its first use. `None` if they are.
///
/// # Errors
/// If the command cannot be started again.
pub fn restart(variables: &[(&str, String)]) -> io::Result<Option<ExitStatus>> {
    let in_force = |(name, value): &(&str, String)| env::var(name).is_ok_and(|it| it == *value);
    if variables.iter().all(in_force) {
        return Ok(None);
    }
    let mut again = Command::new(env::current_exe()?);
    again.args(env::args_os().skip(1)).envs(variables.iter().map(|(name, value)| (name, value)));
    again.status().map(Some)
}

/// What is in force, `NAME=value` each, and the names of what is not.
pub fn describe() -> String {
    let variable = |name| match env::var(name) {
        Ok(value) => format!("{name}={value}"),
        Err(_) => format!("{name} unset"),
    };
    TELLING.map(variable).join(", ")
}
