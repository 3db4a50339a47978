//! Which activation function.

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activation {
    /// `max(0, x)`.
    Relu,
    /// `x Φ(x)`, with the exact normal distribution function (Hendrycks & Gimpel 2016).
    Gelu,
    /// `x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2` (Hendrycks & Gimpel 2016, section 2).
    GeluTanh,
    /// `x σ(x)` (Elfwing et al. 2018), also called swish.
    Silu,
    /// `σ(x) = 1 / (1 + e^-x)`.
    Sigmoid,
}
