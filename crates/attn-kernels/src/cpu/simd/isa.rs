//! Which instruction set this processor has.

#[cfg(target_arch = "aarch64")]
use super::neon::Neon;
#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, avx512::Avx512};
use std::sync::OnceLock;

/// An instruction set that this processor has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    Portable,
}

impl Isa {
    /// All that this processor has, the best first.
    pub(crate) fn all() -> Vec<Self> {
        [
            #[cfg(target_arch = "x86_64")]
            Avx512::detect().map(Isa::Avx512),
            #[cfg(target_arch = "x86_64")]
            Avx2::detect().map(Isa::Avx2),
            #[cfg(target_arch = "aarch64")]
            Neon::detect().map(Isa::Neon),
            Some(Isa::Portable),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// `avx512`, `avx2`, `neon` or `portable`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(_) => "neon",
            Isa::Portable => "portable",
        }
    }
}

/// The instruction set that kernels use: the best, or the best up to the one that the environment
/// variable `ATTN_KERNELS_ISA` names, as it is when first asked.
pub(crate) fn isa() -> Isa {
    static ISA: OnceLock<Isa> = OnceLock::new();
    *ISA.get_or_init(|| {
        let all = Isa::all();
        let limit = std::env::var("ATTN_KERNELS_ISA").unwrap_or_default();
        let named = all.iter().find(|isa| isa.name() == limit);
        *named.unwrap_or(&all[0])
    })
}
