//! A window of an image, of a place and a size that a network chooses.

use attn_core::mechanism::MechanismError;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

/// What a filter's sum is at least taken to be, before it is divided by: a filter that lies outside
/// of the image, by 6 of its standard deviations or more, fades to 0 instead of to 0/0. Its square,
/// which the gradient divides by, is well within f32.
const LEAST_SUM: f64 = 1.0e-8;

/// Logarithms of variance, stride and intensity are taken to be within ± this: `exp` of it, times the
/// width of any image, is far from the ends of f32, and a filter of that variance is as flat, or as
/// narrow, as can be.
const LARGEST_LOG: f64 = 40.0;

/// Configuration of a [`Glimpse`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlimpseConfig {
    /// Width of the state that chooses the window.
    pub d_state: usize,
    /// `N`, the number of filters in each direction: a glimpse is of N × N.
    pub size: usize,
}

impl GlimpseConfig {
    /// A window of `size` × `size`, chosen by states of this width.
    pub fn new(d_state: usize, size: usize) -> Self {
        Self { d_state, size }
    }

    /// # Errors
    /// If a size is zero.
    pub fn validate(&self) -> Result<(), MechanismError> {
        let Self { d_state, size } = *self;
        MechanismError::check_sizes("glimpse", &[("d_state", d_state), ("size", size)])
    }

    /// The layer, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Glimpse {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        Glimpse { choose: LinearConfig::new(self.d_state, 5).init(device), size: self.size }
    }
}

/// The attention of DRAW, Gregor et al. (2015), section 3.2: a grid of N × N Gaussian filters, of
/// one center, stride and variance, chosen by a linear map of a decoder's state (equations 19–26).
///
/// ```text
/// (g̃_X, g̃_Y, log σ², log δ̃, log γ) = W h                                     (21)
/// g_X = (A + 1)/2 · (g̃_X + 1)      g_Y = (B + 1)/2 · (g̃_Y + 1)               (22, 23)
/// δ = (max(A, B) − 1)/(N − 1) · δ̃                                             (24)
/// μ_X[i] = g_X + (i − N/2 − 1/2) δ                                            (19, 20)
/// F_X[i, a] = exp(−(a − μ_X[i])² / 2σ²) / Z_X[i]                              (25, 26)
/// ```
///
/// for an image of width `A` and height `B`; `i` in `1..=N` and `a` in `1..=A`, so that `g̃ = 0` is
/// the middle of the image. A grid of one filter has no stride: δ is 0.
///
/// `Z` makes each filter sum to 1. A filter so far outside of the image, or so narrow between two
/// pixels, that all of its values vanish has no such sum; so `Z` is at least 1e-8, and these filters
/// fade to 0, with their gradients: they see nothing. The logarithms are cut off at ± 40, where
/// they have no gradient, so that every finite state has a finite window.
///
/// DRAW reads with one of these and writes with another. Time is `N` · pixels · channels.
///
/// ```
/// use attn_vision::GlimpseConfig;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let [batch, channels, height, width, d_state, size] = [2, 3, 16, 12, 7, 5];
/// let reader = GlimpseConfig::new(d_state, size).init(&device);
/// let window = reader.window(Tensor::ones([batch, d_state], &device), [height, width]);
///
/// let glimpse = window.read(Tensor::ones([batch, channels, height, width], &device));
/// assert_eq!(glimpse.dims(), [batch, channels, size, size]);
/// assert_eq!(window.write(glimpse).dims(), [batch, channels, height, width]);
/// ```
#[derive(Module, Debug)]
pub struct Glimpse {
    /// `W`, to `(g̃_X, g̃_Y, log σ², log δ̃, log γ)`.
    pub choose: Linear,
    size: usize,
}

impl Glimpse {
    /// The window that each state of the batch chooses in an image of `[height, width]`.
    ///
    /// # Shapes
    /// - `state`: `[batch, d_state]`
    ///
    /// # Panics
    /// If the states are not `d_state` wide, or the image has no pixel.
    pub fn window(&self, state: Tensor<2>, [height, width]: [usize; 2]) -> Window {
        let [_, found] = state.dims();
        let [d_state, _] = self.choose.weight.dims();
        assert_eq!(
            found,
            d_state,
            "glimpse: state {:?} has width {found}, expected {d_state}",
            state.dims()
        );
        Window::new(self.choose.forward(state), self.size, [height, width])
    }
}

/// Where an image is looked at, or drawn on.
#[derive(Clone, Debug)]
pub struct Window {
    /// `F_X`, `[batch, N, width]`: each row sums to 1, or less where a filter sees nothing.
    pub filters_x: Tensor<3>,
    /// `F_Y`, `[batch, N, height]`
    pub filters_y: Tensor<3>,
    /// `[batch, 2]`: `(g_X, g_Y)`, in pixels, of which the first is 1.
    pub center: Tensor<2>,
    /// `[batch, 1]`: `δ`, in pixels.
    pub stride: Tensor<2>,
    /// `[batch, 1]`: `σ²`, in square pixels.
    pub variance: Tensor<2>,
    /// `[batch, 1]`: `log γ`.
    pub log_intensity: Tensor<2>,
}

impl Window {
    /// The window of chosen numbers, for those who choose them otherwise than by [`Glimpse`].
    ///
    /// # Shapes
    /// - `chosen`: `[batch, 5]`: `(g̃_X, g̃_Y, log σ², log δ̃, log γ)`
    ///
    /// # Panics
    /// If there are not five numbers, or `size`, `height` or `width` is 0.
    pub fn new(chosen: Tensor<2>, size: usize, [height, width]: [usize; 2]) -> Self {
        let [_, found] = chosen.dims();
        assert_eq!(found, 5, "glimpse: {:?} chooses {found} numbers, expected 5", chosen.dims());
        assert!(
            size * height * width > 0,
            "glimpse: no window of size {size} in an image of [{height}, {width}]"
        );
        let number = |n: usize| chosen.clone().slice_dim(1, n..n + 1); // [batch, 1]
        let log = |n| number(n).clamp(-LARGEST_LOG, LARGEST_LOG);
        let middle = |n, pixels: usize| (number(n) + 1.0) * ((pixels + 1) as f64 / 2.0);
        let [x, y] = [middle(0, width), middle(1, height)];
        let widest = match size {
            1 => 0.0,
            _ => (height.max(width) - 1) as f64 / (size - 1) as f64,
        };
        let stride = log(3).exp() * widest;
        let log_variance = log(2);
        let filters = |center: &Tensor<2>, pixels| {
            filters(center.clone(), stride.clone(), log_variance.clone(), size, pixels)
        };
        Self {
            filters_x: filters(&x, width),
            filters_y: filters(&y, height),
            center: Tensor::cat(vec![x, y], 1),
            stride: stride.clone(),
            variance: log_variance.exp(),
            log_intensity: log(4),
        }
    }

    /// What the window shows of an image: `γ F_Y x F_Xᵀ` (equation 27). DRAW reads the image and what
    /// it still gets wrong of it, and puts both behind each other.
    ///
    /// # Shapes
    /// - `image`: `[batch, channels, height, width]`
    /// - result: `[batch, channels, N, N]`
    ///
    /// # Panics
    /// If the image is not of the window's batch and size.
    pub fn read(&self, image: Tensor<4>) -> Tensor<4> {
        let [filters_y, filters_x] = self.filters(); // [batch, 1, N, height], [batch, 1, N, width]
        let [batch, _, size, width] = filters_x.dims();
        self.assert_fits("image", &image, [batch, filters_y.dims()[3], width]);
        let seen = filters_y.matmul(image).matmul(filters_x.transpose());
        debug_assert_eq!(seen.dims()[2..], [size, size]);
        seen * self.log_intensity.clone().exp().reshape([batch, 1, 1, 1])
    }

    /// What the window draws: `F_Yᵀ w F_X / γ` (equation 29).
    ///
    /// # Shapes
    /// - `patch`: `[batch, channels, N, N]`
    /// - result: `[batch, channels, height, width]`
    ///
    /// # Panics
    /// If the patch is not of the window's batch and size.
    pub fn write(&self, patch: Tensor<4>) -> Tensor<4> {
        let [filters_y, filters_x] = self.filters(); // [batch, 1, N, height], [batch, 1, N, width]
        let [batch, _, size, _] = filters_x.dims();
        self.assert_fits("patch", &patch, [batch, size, size]);
        let drawn = filters_y.transpose().matmul(patch).matmul(filters_x);
        drawn * self.log_intensity.clone().neg().exp().reshape([batch, 1, 1, 1])
    }

    /// The filters, the same for all channels.
    fn filters(&self) -> [Tensor<4>; 2] {
        [&self.filters_y, &self.filters_x].map(|filters| filters.clone().unsqueeze_dim(1))
    }

    #[track_caller]
    fn assert_fits(&self, what: &str, image: &Tensor<4>, expected: [usize; 3]) {
        let [batch, channels, height, width] = image.dims();
        let [b, h, w] = expected;
        assert_eq!(
            [batch, height, width],
            expected,
            "glimpse: {what} {:?} does not fit the window, expected {:?}",
            image.dims(),
            [b, channels, h, w]
        );
    }
}

/// `exp(−(a − μ[i])² / 2σ²) / Z[i]` for all `i` and `a`: `[batch, 1]` each → `[batch, size, pixels]`
fn filters(
    center: Tensor<2>,
    stride: Tensor<2>,
    log_variance: Tensor<2>,
    size: usize,
    pixels: usize,
) -> Tensor<3> {
    let (device, dtype) = (center.device().without_autodiff(), center.dtype());
    let count = |n: usize| {
        let count = Tensor::<1, Int>::arange(0..n as i64, &device).float();
        count.cast(burn::tensor::FloatDType::from(dtype)) // [n]
    };
    let steps = count(size) - (size as f64 - 1.0) / 2.0; // i − N/2 − 1/2
    let middles = center + stride * steps.unsqueeze(); // [batch, size]
    let places = (count(pixels) + 1.0).reshape([1, 1, pixels]);
    let distances = places - middles.unsqueeze_dim(2); // [batch, size, pixels]
    // Scaled before it is squared: what overflows then has no gradient, and is not multiplied again.
    let scaled = distances * (log_variance * -0.5).exp().unsqueeze_dim(2);
    let heights = (scaled.square() * -0.5).exp();
    let sums = heights.clone().sum_dim(2); // [batch, size, 1]
    let vanished = sums.clone().detach().lower_elem(LEAST_SUM);
    heights / sums.mask_fill(vanished, LEAST_SUM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "glimpse: size must be at least 1, got 0")]
    fn no_filter_is_refused() {
        GlimpseConfig::new(4, 0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "glimpse: state [2, 3] has width 3, expected 4")]
    fn states_have_the_configured_width() {
        let device = Device::flex();
        GlimpseConfig::new(4, 5).init(&device).window(Tensor::ones([2, 3], &device), [7, 8]);
    }

    #[test]
    #[should_panic(expected = "glimpse: no window of size 5 in an image of [0, 8]")]
    fn an_image_has_pixels() {
        let device = Device::flex();
        GlimpseConfig::new(4, 5).init(&device).window(Tensor::ones([2, 4], &device), [0, 8]);
    }

    #[test]
    #[should_panic(expected = "glimpse: [2, 4] chooses 4 numbers, expected 5")]
    fn a_window_is_five_numbers() {
        Window::new(Tensor::ones([2, 4], &Device::flex()), 5, [7, 8]);
    }

    #[test]
    #[should_panic(
        expected = "glimpse: image [2, 3, 8, 7] does not fit the window, expected [2, 3, 7, 8]"
    )]
    fn the_image_is_of_the_size_that_was_told() {
        let device = Device::flex();
        let window = Window::new(Tensor::ones([2, 5], &device), 4, [7, 8]);
        window.read(Tensor::ones([2, 3, 8, 7], &device));
    }

    #[test]
    #[should_panic(
        expected = "glimpse: patch [2, 3, 4, 5] does not fit the window, expected [2, 3, 4, 4]"
    )]
    fn the_patch_is_of_the_window() {
        let device = Device::flex();
        let window = Window::new(Tensor::ones([2, 5], &device), 4, [7, 8]);
        window.write(Tensor::ones([2, 3, 4, 5], &device));
    }
}
