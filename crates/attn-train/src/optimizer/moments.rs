//! The moments of AdamW as modules like the model, so that they are stored as it is: each by the
//! path of its parameter, and compared with the model when it comes back.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::AdaptiveMomentumState;
use burn::store::ModuleRecord;
use burn::tensor::Tensor;
use burn::tensor::container::TensorContainer;

use super::AdamW;

/// The moments of every parameter of a model; zeros where there are none yet.
pub(crate) struct Moments {
    /// Running means of the gradients.
    pub(crate) first: ModuleRecord,
    /// Running means of their squares.
    pub(crate) second: ModuleRecord,
    /// Gradients that they have seen, parameter by parameter in the order of a visit.
    pub(crate) steps: Vec<usize>,
}

/// There are not as many moments as parameters.
#[derive(Debug, thiserror::Error)]
#[error("it counts the steps of {found} parameters in place of {expected}")]
pub(crate) struct CountError {
    expected: usize,
    found: usize,
}

impl AdamW {
    /// The moments of the parameters of `model`.
    pub(crate) fn moments<M: Module>(&self, model: &M) -> Moments {
        let part = |which| model.valid().map(&mut Take { adamw: self, which }).into_record();
        let mut steps = Steps { adamw: self, steps: Vec::new() };
        model.visit(&mut steps);
        Moments { first: part(Which::First), second: part(Which::Second), steps: steps.steps }
    }

    /// Takes up moments: `first` and `second` are like `model`, with moments for parameters.
    pub(crate) fn load_moments<M: Module>(
        &mut self,
        model: &M,
        first: &M,
        second: &M,
        steps: &[usize],
    ) -> Result<(), CountError> {
        let mut ids = Ids(Vec::new());
        model.visit(&mut ids);
        if ids.0.len() != steps.len() {
            return Err(CountError { expected: ids.0.len(), found: steps.len() });
        }
        let mut collected = Collect { tensors: TensorContainer::new(), visited: 0 };
        first.visit(&mut collected);
        self.states = TensorContainer::new();
        second.visit(&mut Join {
            adamw: self,
            params: ids.0.into_iter().zip(steps.iter().copied()).enumerate(),
            first: collected.tensors,
        });
        Ok(())
    }

    fn state<const D: usize>(&self, id: &ParamId) -> Option<AdaptiveMomentumState<D>> {
        self.states.get(id)
    }
}

#[derive(Clone, Copy)]
enum Which {
    First,
    Second,
}

/// Puts one moment in the place of each parameter.
struct Take<'a> {
    adamw: &'a AdamW,
    which: Which,
}

impl ModuleMapper for Take<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let state = self.adamw.state::<D>(&param.id);
        param.map(|value| match (state, self.which) {
            (None, _) => value.zeros_like(),
            (Some(state), Which::First) => state.moment_1,
            (Some(state), Which::Second) => state.moment_2,
        })
    }
}

struct Steps<'a> {
    adamw: &'a AdamW,
    steps: Vec<usize>,
}

impl ModuleVisitor for Steps<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.steps.push(self.adamw.state::<D>(&param.id).map_or(0, |state| state.time));
    }
}

struct Ids(Vec<ParamId>);

impl ModuleVisitor for Ids {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(param.id);
    }
}

/// Collects tensors by their place in the visit: of different ranks, they do not fit into a `Vec`.
struct Collect {
    tensors: TensorContainer<usize>,
    visited: usize,
}

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.tensors.register(self.visited, param.val());
        self.visited += 1;
    }
}

/// Joins each second moment, as it is visited, with its first and its parameter.
struct Join<'a, I> {
    adamw: &'a mut AdamW,
    params: I,
    first: TensorContainer<usize>,
}

impl<I: Iterator<Item = (usize, (ParamId, usize))>> ModuleVisitor for Join<'_, I> {
    fn visit_float<const D: usize>(&mut self, second: &Param<Tensor<D>>) {
        let (place, (id, steps)) = self.params.next().expect("equal modules have equal visits");
        let first = self.first.remove::<Tensor<D>>(&place);
        let first = first.expect("equal modules have equal visits");
        if steps > 0 {
            self.adamw.states.register(id, AdaptiveMomentumState::new(steps, first, second.val()));
        }
    }
}
