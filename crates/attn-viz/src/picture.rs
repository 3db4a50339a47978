//! What is to be drawn.

use crate::{PictureError, svg, text};
use std::{fmt, path::Path};

/// Attention weights with the tokens they belong to, one panel per head.
///
/// Rows are queries, columns keys: each row shows where one token looks.
#[derive(Clone, Debug, PartialEq)]
pub struct AlignmentPicture {
    pub(crate) title: String,
    /// What the rows and the columns are, for the reader.
    pub(crate) axes: [String; 2],
    pub(crate) heads: Vec<String>,
    pub(crate) queries: Vec<String>,
    pub(crate) keys: Vec<String>,
    /// `[head, query, key]`, row-major.
    weights: Vec<f32>,
}

/// Weights are quotients and come rounded, from half precision by up to 2⁻¹¹.
const ROUNDING: f32 = 1e-3;

impl AlignmentPicture {
    /// A picture of `heads × queries × keys` weights, row-major: one panel per head.
    ///
    /// # Errors
    /// If there are no heads, queries or keys, not one weight for each, or a weight that is not in
    /// [0, 1].
    pub fn new<Q, K>(
        heads: usize,
        queries: impl IntoIterator<Item = Q>,
        keys: impl IntoIterator<Item = K>,
        weights: Vec<f32>,
    ) -> Result<Self, PictureError>
    where
        Q: Into<String>,
        K: Into<String>,
    {
        let queries: Vec<_> = queries.into_iter().map(Into::into).collect();
        let keys: Vec<_> = keys.into_iter().map(Into::into).collect();
        let [q, k, given] = [queries.len(), keys.len(), weights.len()];
        if heads == 0 || q == 0 || k == 0 {
            return Err(PictureError::Empty { heads, queries: q, keys: k });
        }
        if heads.checked_mul(q).and_then(|rows| rows.checked_mul(k)) != Some(given) {
            return Err(PictureError::Weights { given, heads, queries: q, keys: k });
        }
        // Written so that NaN fails too.
        if let Some(at) = weights.iter().position(|w| !(-ROUNDING..=1.0 + ROUNDING).contains(w)) {
            let (head, query, key) = (at / (q * k), at / k % q, at % k);
            return Err(PictureError::Weight { head, query, key, value: weights[at] });
        }
        Ok(Self {
            title: String::new(),
            axes: ["query".into(), "key".into()],
            heads: (1..=heads).map(|head| format!("head {head}")).collect(),
            queries,
            keys,
            weights: weights.into_iter().map(|weight| weight.clamp(0.0, 1.0)).collect(),
        })
    }

    /// A title above the panels.
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// What the rows and the columns are, say "target" and "source"; without it "query" and "key".
    pub fn with_axes(mut self, queries: impl Into<String>, keys: impl Into<String>) -> Self {
        self.axes = [queries.into(), keys.into()];
        self
    }

    /// Names of the panels; without them "head 1", "head 2" and so on.
    ///
    /// # Errors
    /// If there is not one name for each head.
    pub fn with_head_names<N: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, PictureError> {
        let names: Vec<_> = names.into_iter().map(Into::into).collect();
        let [given, heads] = [names.len(), self.heads.len()];
        if given != heads {
            return Err(PictureError::HeadNames { given, heads });
        }
        self.heads = names;
        Ok(self)
    }

    /// The weight of a key for a query in a head.
    pub(crate) fn weight(&self, head: usize, query: usize, key: usize) -> f32 {
        self.weights[(head * self.queries.len() + query) * self.keys.len() + key]
    }

    /// The picture as an SVG document. Its cells say their weight when pointed at.
    pub fn to_svg(&self) -> String {
        svg::document(self)
    }

    /// Writes the SVG document, whole or not at all, by [`attn_files::write`].
    ///
    /// # Errors
    /// If the file cannot be written; one that was there before is then still whole.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PictureError> {
        let path = path.as_ref();
        attn_files::write(path, self.to_svg().as_bytes())
            .map_err(|source| PictureError::Write { path: path.to_path_buf(), source })
    }
}

/// The picture in characters, for a terminal: a cell is two columns wide, and a weight is shown as
/// the nearest of 0 (·), ¼ (░), ½ (▒), ¾ (▓) and 1 (█).
impl fmt::Display for AlignmentPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(heads: usize, queries: &[&str], keys: &[&str], weights: Vec<f32>) -> String {
        let [queries, keys] = [queries, keys].map(|tokens| tokens.iter().copied());
        AlignmentPicture::new(heads, queries, keys, weights).unwrap_err().to_string()
    }

    #[test]
    fn what_has_no_picture_is_refused() {
        let (ab, cde) = (["a", "b"], ["c", "d", "e"]);
        let nothing = "has nothing to show";
        assert!(error(0, &ab, &cde, vec![]).ends_with(nothing));
        assert!(error(1, &[], &cde, vec![]).ends_with(nothing));
        let expected = "an alignment of 1 heads, 2 queries and 0 keys has nothing to show";
        assert_eq!(error(1, &ab, &[], vec![]), expected);
        let expected = "23 weights for 4 heads × 2 queries × 3 keys";
        assert_eq!(error(4, &ab, &cde, vec![0.0; 23]), expected);
        assert!(error(usize::MAX, &ab, &cde, vec![]).starts_with("0 weights for"));
    }

    #[test]
    fn a_weight_outside_its_range_is_named_by_its_place() {
        let (ab, cde) = (["a", "b"], ["c", "d", "e"]);
        for bad in [f32::NAN, -0.5, 1.1, f32::INFINITY] {
            let mut weights = vec![0.25; 24];
            weights[(3 * 2 + 1) * 3 + 2] = bad;
            let expected = format!("the weight of head 3, query 1, key 2 is {bad}, not in [0, 1]");
            assert_eq!(error(4, &ab, &cde, weights), expected);
        }
    }

    #[test]
    fn rounding_around_the_range_is_forgiven() {
        let picture = AlignmentPicture::new(1, ["a"], ["b", "c"], vec![1.0002, -0.0002]).unwrap();
        assert_eq!([picture.weight(0, 0, 0), picture.weight(0, 0, 1)], [1.0, 0.0]);
    }

    #[test]
    fn heads_have_one_name_each() {
        let picture = AlignmentPicture::new(2, ["a"], ["b"], vec![1.0, 1.0]).unwrap();
        let error = picture.clone().with_head_names(["one"]).unwrap_err();
        assert_eq!(error.to_string(), "1 names for 2 heads");
        assert!(picture.with_head_names(["one", "two"]).unwrap().to_svg().contains("two"));
    }

    #[test]
    fn the_file_is_the_document_and_nothing_else_is_left() {
        let picture = AlignmentPicture::new(1, ["a"], ["b"], vec![1.0]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.svg");
        picture.save(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), picture.to_svg());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let path = folder.path().join("missing/picture.svg");
        let error = picture.save(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot write {}", path.display()));
        assert!(matches!(error, PictureError::Write { .. }));
    }
}
