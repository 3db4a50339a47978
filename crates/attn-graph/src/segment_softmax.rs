//! Softmax over the groups of a list.

use super::GraphError;
use attn_core::half::at_least_f32;
use burn::tensor::{Bool, Device, FloatDType, IndexingUpdateOp, Int, Tensor, TensorData};

/// Which elements of a list belong together: each is of one of `count` segments, in any order.
#[derive(Clone, Debug)]
pub struct Segments {
    count: usize,
    len: usize,
    tensors: Option<Tensors>,
}

/// What a list that is not empty needs on its device.
#[derive(Clone, Debug)]
struct Tensors {
    /// The segment of each element, `[elements]`.
    ids: Tensor<1, Int>,
    /// The elements sorted by their segments, those of one segment as they were, `[elements]`.
    order: Tensor<1, Int>,
    /// Where in `order` the segment of each element begins, `[elements]`.
    first: Tensor<1, Int>,
    /// For 1, 2, 4 … positions: for each position in `order` that many further, or the last of its
    /// segment, `[elements]`.
    further: Vec<Tensor<1, Int>>,
}

impl Segments {
    /// Elements of which number `e` is of segment `ids[e]`. Sorts them once, in linear time.
    ///
    /// # Errors
    /// If an id is not below `count`.
    pub fn new(ids: &[usize], count: usize, device: &Device) -> Result<Self, GraphError> {
        if let Some((element, &id)) = ids.iter().enumerate().find(|(_, id)| **id >= count) {
            return Err(GraphError::Segment { element, id, count });
        }
        let tensors = (!ids.is_empty()).then(|| Tensors::new(ids, count, device));
        Ok(Self { count, len: ids.len(), tensors })
    }

    /// Number of segments.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The segment of each element, `[elements]`; none without an element.
    pub(super) fn ids(&self) -> Option<&Tensor<1, Int>> {
        self.tensors.as_ref().map(|tensors| &tensors.ids)
    }

    /// The sum of each segment; 0 for one that is empty.
    ///
    /// # Shapes
    /// - `values`: `[elements, width]`
    /// - result: `[count, width]`
    ///
    /// # Panics
    /// If there is another number of elements.
    pub fn sum(&self, values: Tensor<2>) -> Tensor<2> {
        self.assert_len("values", &values);
        let zeros =
            Tensor::zeros([self.count, values.dims()[1]], (&values.device(), values.dtype()));
        match &self.tensors {
            None => zeros,
            Some(Tensors { ids, .. }) => {
                zeros.select_assign(0, ids.clone(), values, IndexingUpdateOp::Add)
            }
        }
    }

    #[track_caller]
    fn assert_len(&self, what: &str, values: &Tensor<2>) {
        let [found, _] = values.dims();
        assert_eq!(
            found,
            self.len,
            "segments: {what} {:?} are of {found} elements, expected {}",
            values.dims(),
            self.len
        );
    }
}

impl Tensors {
    fn new(ids: &[usize], count: usize, device: &Device) -> Self {
        let mut starts = vec![0; count + 1];
        ids.iter().for_each(|&id| starts[id + 1] += 1);
        let largest = starts.iter().copied().max().unwrap_or(0);
        (0..count).for_each(|id| starts[id + 1] += starts[id]);

        let mut next = starts.clone();
        let mut order = vec![0; ids.len()];
        for (element, &id) in ids.iter().enumerate() {
            order[next[id]] = element;
            next[id] += 1;
        }
        let first: Vec<_> = ids.iter().map(|&id| starts[id]).collect();
        let doubled = std::iter::successors(Some(1), |step| Some(step * 2));
        let further = doubled.take_while(|&step| step < largest).map(|step| {
            let positions = order.iter().enumerate();
            let moved: Vec<_> = positions
                .map(|(position, &element)| (position + step).min(starts[ids[element] + 1] - 1))
                .collect();
            indices(&moved, device)
        });
        let further = further.collect();
        Self {
            ids: indices(ids, device),
            order: indices(&order, device),
            first: indices(&first, device),
            further,
        }
    }

    /// What each element finds at its segment, `[count, width]` → `[elements, width]`.
    fn spread(&self, segments: Tensor<2>) -> Tensor<2> {
        segments.select(0, self.ids.clone())
    }

    /// The largest of its segment, for each element: after the round of `step`, a position holds the
    /// largest of the next `2 · step` of its segment.
    ///
    /// A maximum by `select_assign` would be one round, but not every backend has it.
    fn largest(&self, values: Tensor<2>) -> Tensor<2> {
        let sorted = values.select(0, self.order.clone());
        let largest = self.further.iter().fold(sorted, |largest, further| {
            largest.clone().max_pair(largest.select(0, further.clone()))
        });
        largest.select(0, self.first.clone())
    }

    /// For each element, whether any of its segment is so.
    fn any(&self, elements: Tensor<2, Bool>, count: usize) -> Tensor<2, Bool> {
        let counted = elements.float();
        let zeros = Tensor::zeros([count, counted.dims()[1]], (&counted.device(), counted.dtype()));
        let counts = zeros.select_assign(0, self.ids.clone(), counted, IndexingUpdateOp::Add);
        self.spread(counts).greater_elem(0.0)
    }
}

/// Indices on a device; without autodiff, as constants are.
pub(super) fn indices(ids: &[usize], device: &Device) -> Tensor<1, Int> {
    let ids: Vec<i64> = ids.iter().map(|&id| id as i64).collect();
    let count = ids.len();
    Tensor::from_data(TensorData::new(ids, [count]), &device.clone().without_autodiff())
}

/// Softmax of each segment: `w_e = exp(s_e) / Σ_f exp(s_f)`, `f` over the segment of `e`; Veličković
/// et al. (2018), equation 2.
///
/// The largest score of each segment is subtracted first, so that no segment overflows or vanishes,
/// however far another is from it. A score that is not finite makes NaN of its segment, in its own
/// head. Half-precision scores are computed in f32.
///
/// Time and memory are linear in the elements, but for the largest scores, which take
/// log(largest segment) rounds; they are constants to autodiff, and nothing of them is kept.
///
/// # Shapes
/// - `scores`: `[elements, heads]`
/// - result: `[elements, heads]`
///
/// # Panics
/// If the segments are of another number of elements.
///
/// ```
/// use attn_graph::{Segments, segment_softmax};
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let segments = Segments::new(&[0, 2, 0], 3, &device)?;
/// let scores = Tensor::<2>::from_data([[1.0], [-500.0], [1.0]], &device);
/// let weights = segment_softmax(scores, &segments);
/// assert_eq!(weights.try_into_vec_as::<f32>().unwrap(), [0.5, 1.0, 0.5]);
/// # Ok::<(), attn_graph::GraphError>(())
/// ```
pub fn segment_softmax(scores: Tensor<2>, segments: &Segments) -> Tensor<2> {
    segments.assert_len("scores", &scores);
    let Some(tensors) = &segments.tensors else { return scores };
    let storage = scores.dtype();
    let scores = at_least_f32(scores);

    // What is not finite is put back at the end, so that no gradient meets it.
    let broken = scores.clone().detach().is_finite().bool_not();
    let scores = scores.mask_fill(broken.clone(), 0.0);
    let largest = tensors.largest(scores.clone().detach());
    let exponentials = (scores - largest).exp();
    let sums = segments.sum(exponentials.clone()); // [count, heads]
    let weights = exponentials / tensors.spread(sums);
    let weights = weights.mask_fill(tensors.any(broken, segments.count), f32::NAN);
    weights.cast(FloatDType::from(storage))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_must_be_segments() {
        let error = Segments::new(&[0, 1, 4], 3, &Device::flex()).unwrap_err();
        assert_eq!(error, GraphError::Segment { element: 2, id: 4, count: 3 });
        assert_eq!(error.to_string(), "element 2: 4 is not one of 3 segments");
    }

    #[test]
    #[should_panic(expected = "segments: scores [4, 2] are of 4 elements, expected 3")]
    fn each_element_has_its_scores() {
        let device = Device::flex();
        let segments = Segments::new(&[0, 1, 0], 2, &device).unwrap();
        segment_softmax(Tensor::ones([4, 2], &device), &segments);
    }
}
