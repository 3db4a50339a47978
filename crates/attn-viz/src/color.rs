//! Weights as colors.

use std::f64::consts::PI;

/// The color of a weight in [0, 1], as `#rrggbb`: from near white over blue to dark indigo.
pub(crate) fn color(weight: f32) -> String {
    let srgb = scale(f64::from(weight)).map(|linear| transfer(linear.clamp(0.0, 1.0)));
    let [r, g, b] = srgb.map(|x| (x * 255.0).round() as u8);
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// The scale in linear sRGB.
///
/// The lightness falls linearly in Oklab (Ottosson 2020), so equal steps of weight look like equal
/// steps, in grey print too; the hue turns from cyan to indigo to keep neighbours apart.
fn scale(t: f64) -> [f64; 3] {
    let lightness = 0.965 - 0.645 * t;
    let chroma = 0.004 + 0.12 * (0.85 * PI * t).sin();
    let hue = (205.0 + 67.0 * t).to_radians();
    oklab_to_linear([lightness, chroma * hue.cos(), chroma * hue.sin()])
}

/// The ink for text and marks.
pub(crate) const INK: &str = "#1f2937";
/// Text that is read second.
pub(crate) const SOFT_INK: &str = "#6b7280";

/// Ottosson, "A perceptual color space for image processing" (2020): from Oklab to linear sRGB.
fn oklab_to_linear([lightness, a, b]: [f64; 3]) -> [f64; 3] {
    let l = (lightness + 0.3963377774 * a + 0.2158037573 * b).powi(3);
    let m = (lightness - 0.1055613458 * a - 0.0638541728 * b).powi(3);
    let s = (lightness - 0.0894841775 * a - 1.2914855480 * b).powi(3);
    [
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
    ]
}

/// The transfer function of sRGB (IEC 61966-2-1).
fn transfer(linear: f64) -> f64 {
    if linear <= 0.0031308 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_weight_is_darker() {
        // Relative luminance (WCAG 2): 0 is black, 1 is white.
        let luminance = |[r, g, b]: [f64; 3]| 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let steps: Vec<_> = (0..=50).map(|i| luminance(scale(f64::from(i) / 50.0))).collect();
        assert!(steps.windows(2).all(|pair| pair[0] > pair[1]), "{steps:?}");
        assert!(steps[0] > 0.85 && steps[50] < 0.06, "{} {}", steps[0], steps[50]);
    }

    #[test]
    fn no_color_of_the_scale_is_clipped() {
        for i in 0..=100 {
            let linear = scale(f64::from(i) / 100.0);
            assert!(linear.iter().all(|x| (0.0..=1.0).contains(x)), "{linear:?} at {i} %");
        }
    }

    /// Oklab of the primaries, computed with Ottosson's forward transform and rounded to six
    /// digits: off by at most 5e-7 · 4.1 · 3 · 1.3 in linear sRGB.
    #[test]
    fn the_transform_gives_the_primaries() {
        for (lab, rgb) in [
            ([1.0, 0.0, 0.0], [1.0, 1.0, 1.0]),
            ([0.627955, 0.224863, 0.125846], [1.0, 0.0, 0.0]),
            ([0.866440, -0.233888, 0.179498], [0.0, 1.0, 0.0]),
            ([0.452014, -0.032457, -0.311528], [0.0, 0.0, 1.0]),
        ] {
            let linear = oklab_to_linear(lab);
            for (x, y) in linear.iter().zip(rgb) {
                assert!((x - y).abs() < 2e-5, "{linear:?} for {rgb:?}");
            }
        }
        assert_eq!([0.0, 1.0].map(transfer).map(|x| (x * 255.0).round()), [0.0, 255.0]);
    }
}
