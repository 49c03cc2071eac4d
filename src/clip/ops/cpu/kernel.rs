//! Which instructions the operations are computed with.

use std::sync::LazyLock;

use pulp::{Arch, WithSimd};

use super::bf16::PairProduct;

/// Names one of [`Kernel::ALL`], instead of the best that the processor has.
const VARIABLE: &str = "SHOTLENS_KERNEL";

/// A way to compute the operations on a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// candle's operations.
    BuiltIn,
    /// One number at a time.
    Scalar,
    /// 8 numbers at a time.
    Avx2,
    /// 16 numbers at a time.
    Avx512,
    /// The same, with layers that multiply 32 16-bit brain floats at a time.
    Avx512Bf16,
    /// 4 numbers at a time, on ARM.
    Neon,
}

impl Kernel {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::BuiltIn,
        Self::Scalar,
        Self::Avx2,
        Self::Avx512,
        Self::Avx512Bf16,
        Self::Neon,
    ];

    /// As the environment variable has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BuiltIn => "builtin",
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Bf16 => "avx512-bf16",
            Self::Neon => "neon",
        }
    }

    /// Whether this processor has its instructions.
    pub fn is_here(self) -> bool {
        self.arch().is_some()
    }

    /// What the environment variable asks for; `None` where it asks for nothing.
    ///
    /// # Errors
    /// When it names no kernel, or one that this processor has not got; the sentence says which there are.
    pub fn forced() -> Result<Option<Self>, String> {
        static FORCED: LazyLock<Result<Option<Kernel>, String>> = LazyLock::new(|| {
            let name = std::env::var_os(VARIABLE).unwrap_or_default();
            Kernel::of(&name.to_string_lossy())
        });
        FORCED.clone()
    }

    fn of(name: &str) -> Result<Option<Self>, String> {
        let found = Self::ALL.into_iter().find(|kernel| kernel.name() == name);
        match found {
            _ if name.is_empty() => Ok(None),
            Some(kernel) if kernel.is_here() => Ok(Some(kernel)),
            found => {
                let here = Self::ALL.into_iter().filter(|kernel| kernel.is_here());
                let here: Vec<&str> = here.map(Self::name).collect();
                let problem = match found {
                    Some(_) => "which this processor has not got; it has",
                    None => "which is no kernel; this processor has",
                };
                Err(format!(
                    "{VARIABLE} is {name}, {problem} {}",
                    here.join(", ")
                ))
            }
        }
    }

    fn arch(self) -> Option<Arch> {
        match self {
            Self::BuiltIn | Self::Scalar => Some(Arch::Scalar),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pulp::x86::V3::try_new().map(Arch::V3),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => pulp::x86::V4::try_new().map(Arch::V4),
            Self::Avx512Bf16 => PairProduct::try_new().map(|_| Arch::new()),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Some(Arch::new()).filter(|arch| !matches!(arch, Arch::Scalar)),
            _ => None,
        }
    }
}

/// Computes `operation` with the forced kernel's instructions, or the best.
#[inline(always)]
pub(super) fn dispatch<Op: WithSimd>(operation: Op) -> Op::Output {
    static ARCH: LazyLock<Arch> = LazyLock::new(|| {
        let forced = Kernel::forced().ok().flatten();
        forced.and_then(Kernel::arch).unwrap_or_default()
    });
    ARCH.dispatch(operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_is_not_here_is_refused_and_those_that_are_here_are_named() {
        assert_eq!(Kernel::of(""), Ok(None));
        assert_eq!(Kernel::of("scalar"), Ok(Some(Kernel::Scalar)));
        let unknown = Kernel::of("mmx").unwrap_err();
        assert!(
            unknown.starts_with(
                "SHOTLENS_KERNEL is mmx, which is no kernel; this processor has builtin, scalar"
            ),
            "{unknown}"
        );
        for kernel in Kernel::ALL {
            match Kernel::of(kernel.name()) {
                Ok(found) => assert_eq!(found, Some(kernel)),
                Err(refused) => {
                    assert!(!kernel.is_here());
                    assert!(refused.contains("this processor has not got; it has builtin, scalar"));
                }
            }
        }
    }
}
