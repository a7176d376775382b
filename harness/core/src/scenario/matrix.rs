//! The matrix of a scenario file: named axes, whose combinations are the cases of the file.
//!
//! ```text
//! text -> axes -> Case (a value of each axis) -> CaseText (the text with its placeholders replaced) -> Plan
//! ```
//! Kept out: what a scenario means. A case's text is read as any other scenario.

mod case_text;

pub(super) use case_text::CaseText;

use super::error::InputError;
use super::forms::{AxisScalar, CaseNames};
use super::mistakes::Mistakes;
use super::node::{Data, Node};
use super::places::Places;
use super::strict::{self, ListOr, Located, Pairs};
use super::{kube_yaml, names};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Most cases of one file.
const MAX_CASES: usize = 1_000;
/// Most combinations of which some are excluded.
const MAX_COMBINATIONS: usize = 100_000;
/// Most values of all cases of a file together: each case is read as a file of its own.
const MAX_VALUES: usize = 2_000_000;
/// Longest name of a case.
const MAX_NAME: usize = 120;
/// The name under which expressions find the names of a case's values.
const CASE: &str = "case";
/// Words of expressions, which can't name an axis.
const RESERVED: [&str; 15] =
    ["and", "case", "else", "false", "False", "if", "in", "is", "loop", "none", "None", "not", "or", "true", "True"];

/// The combinations of which each is a case of its own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Matrix")]
pub(super) struct MatrixFile {
    /// The axes by name: a list of texts and numbers, or any values by their names. The names are those in the case's name. Values can use the axes before their own.
    #[schemars(extend("minProperties" = 1))]
    #[schemars(with = "Pairs<ListOr<AxisScalar, Pairs<Value>>>")]
    axes: Pairs<Located<AxisFile>>,
    /// Combinations that are no case: for some axes, the name of one value or a list of names.
    #[serde(default)]
    #[schemars(with = "Vec<Pairs<CaseNames>>")]
    exclude: Vec<Located<Pairs<Located<Value>>>>,
}

type AxisFile = ListOr<Located<Value>, Pairs<Located<Value>>>;

/// Only the matrix of a scenario file; what else it holds is read later, for each case.
#[derive(Debug, Deserialize)]
struct WithMatrix {
    matrix: Option<Located<MatrixFile>>,
}

/// One axis.
#[derive(Debug)]
struct Axis {
    name: String,
    /// The values, each with the name that it has in a case's name.
    values: Vec<(String, Value)>,
}

/// Combinations that are no case: of each axis the values meant, by index; none for all.
type Excluded = Vec<Option<Vec<usize>>>;

/// The matrix of a file.
#[derive(Debug)]
pub(super) struct Matrix {
    axes: Vec<Axis>,
    /// For each case, which value it has of each axis.
    picks: Vec<Vec<usize>>,
    /// The file as a tree.
    tree: Node,
}

/// One case.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case<'a> {
    matrix: &'a Matrix,
    picks: &'a [usize],
}

/// Reads the matrix of a scenario file; none where the file has none.
///
/// # Errors
/// Every mistake in it.
pub(super) fn read(path: &str, text: &str) -> Result<Option<Matrix>, Vec<InputError>> {
    // Most files have none.
    if !text.contains("matrix") {
        return Ok(None);
    }
    let tree = kube_yaml::read(path, text).ok().and_then(|documents| documents.into_iter().next());
    let Some(tree) = tree.filter(|tree| tree.get("matrix").is_some()) else { return Ok(None) };
    let file: WithMatrix = strict::read(path, text).map_err(|error| vec![error])?;
    let Some(file) = file.matrix else { return Ok(None) };
    let places = Places::default();
    let mut mistakes = Mistakes::new(path, text, &places);
    let axes = read_axes(&file, &mut mistakes);
    let excluded: Vec<Excluded> =
        file.value.exclude.iter().map(|item| read_excluded(item, &axes, &mut mistakes)).collect();
    if !mistakes.errors.is_empty() {
        return Err(mistakes.errors);
    }
    let (picks, used) = match combine(&axes, &excluded) {
        Ok(found) => found,
        Err(message) => return Err(vec![mistakes.error(&file, message)]),
    };
    for (item, _) in file.value.exclude.iter().zip(used).filter(|(_, used)| !used) {
        mistakes.fail(item, "excludes no combination that is not excluded before");
    }
    let values = picks.len().saturating_mul(kube_yaml::weight(&tree));
    let matrix = Matrix { axes, picks, tree };
    let too_long = matrix.cases().map(|case| case.name()).find(|name| name.len() > MAX_NAME);
    if matrix.picks.is_empty() {
        mistakes.fail(&file, "has no case: `exclude` names every combination");
    } else if values > MAX_VALUES {
        let cases = matrix.picks.len();
        mistakes.fail(&file, format!("{cases} cases have {values} values together; at most {MAX_VALUES} are read"));
    } else if let Some(name) = too_long {
        mistakes.fail(&file, format!("the case name `{name}` is longer than {MAX_NAME} characters"));
    }
    if mistakes.errors.is_empty() { Ok(Some(matrix)) } else { Err(mistakes.errors) }
}

fn read_axes(file: &Located<MatrixFile>, mistakes: &mut Mistakes<'_>) -> Vec<Axis> {
    let axes = &file.value.axes.0;
    if axes.is_empty() {
        mistakes.fail(file, "has no axes; expected at least one");
    }
    let mut read = Vec::new();
    for (name, axis) in axes {
        if mistakes.check_key(name, names::axis).is_none() {
            continue;
        }
        if RESERVED.contains(&name.value.as_str()) {
            mistakes.fail_at_key(name, format!("`{}` is a word of expressions; choose another name", name.value));
            continue;
        }
        let mut values: Vec<(String, Value)> = Vec::new();
        match &axis.value {
            ListOr::List(items) => {
                for item in items {
                    let found = scalar_name(&item.value).and_then(|name| names::axis_value(&name).map(|()| name));
                    let Some(name) = mistakes.check(item, found) else { continue };
                    if values.iter().any(|(known, _)| *known == name) {
                        mistakes.fail(item, format!("value `{name}` is there twice"));
                    }
                    values.push((name, item.value.clone()));
                }
            }
            ListOr::Map(pairs) => {
                for (key, value) in &pairs.0 {
                    if mistakes.check_key(key, names::axis_value).is_some() {
                        values.push((key.value.clone(), value.value.clone()));
                    }
                }
            }
        }
        if values.is_empty() && mistakes.errors.is_empty() {
            mistakes.fail(axis, "has no values; expected at least one");
        }
        read.push(Axis { name: name.value.clone(), values });
    }
    read
}

/// The name of a value in a list: what is written.
fn scalar_name(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(format!("is {value}; a list has texts and numbers, other values have names: `NAME: VALUE`"))
        }
    }
}

fn read_excluded(item: &Located<Pairs<Located<Value>>>, axes: &[Axis], mistakes: &mut Mistakes<'_>) -> Excluded {
    let mut excluded: Excluded = vec![None; axes.len()];
    if item.value.0.is_empty() {
        mistakes.fail(item, "names no axis; it would exclude every combination");
    }
    for (name, wanted) in &item.value.0 {
        let Some(index) = axes.iter().position(|axis| axis.name == name.value) else {
            let error = mistakes.error_at_key(name, format!("there is no axis `{}`", name.value));
            mistakes.errors.push(error.suggest(&name.value, axes.iter().map(|axis| axis.name.as_str())));
            continue;
        };
        let values = match &wanted.value {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut meant = Vec::new();
        for value in values {
            let known = || axes[index].values.iter().map(|(name, _)| name.as_str());
            match scalar_name(value) {
                Ok(name) => match known().position(|known| known == name) {
                    Some(index) => meant.push(index),
                    None => {
                        let error = mistakes.error(wanted, format!("axis `{}` has no `{name}`", axes[index].name));
                        mistakes.errors.push(error.suggest(&name, known()));
                    }
                },
                Err(_) => {
                    mistakes.fail(wanted, format!("is {value}; expected the name of a value, or a list of names"))
                }
            }
        }
        excluded[index] = Some(meant);
    }
    excluded
}

/// The combinations that are cases, in the order of the axes, and which of the exclusions excluded any.
fn combine(axes: &[Axis], excluded: &[Excluded]) -> Result<(Vec<Vec<usize>>, Vec<bool>), String> {
    let all = axes.iter().map(|axis| axis.values.len()).fold(1_usize, usize::saturating_mul);
    if all > MAX_COMBINATIONS {
        return Err(format!("has {all} combinations; at most {MAX_CASES} cases are read"));
    }
    let mut picks = Vec::new();
    let mut used = vec![false; excluded.len()];
    for number in 0..all {
        let mut rest = number;
        let mut combination: Vec<usize> = axes
            .iter()
            .rev()
            .map(|axis| {
                let pick = rest % axis.values.len();
                rest /= axis.values.len();
                pick
            })
            .collect();
        combination.reverse();
        let is_meant = |item: &Excluded| {
            item.iter().zip(&combination).all(|(meant, pick)| meant.as_ref().is_none_or(|meant| meant.contains(pick)))
        };
        match excluded.iter().position(is_meant) {
            Some(index) => used[index] = true,
            None => picks.push(combination),
        }
    }
    match picks.len() {
        cases if cases > MAX_CASES => Err(format!("has {cases} cases; at most {MAX_CASES} are read")),
        _ => Ok((picks, used)),
    }
}

impl Matrix {
    /// The cases in order.
    pub(super) fn cases(&self) -> impl Iterator<Item = Case<'_>> {
        self.picks.iter().map(|picks| Case { matrix: self, picks })
    }
}

impl<'a> Case<'a> {
    /// Its name, without the file's: the names of its values, joined by commas.
    pub(super) fn name(&self) -> String {
        self.values().map(|(_, name, _)| name).collect::<Vec<_>>().join(",")
    }

    /// Axis, name of the value and value, for each axis.
    fn values(&self) -> impl Iterator<Item = (&'a str, &'a str, &'a Value)> {
        let pick = |(axis, pick): (&'a Axis, &usize)| {
            let (name, value) = &axis.values[*pick];
            (axis.name.as_str(), name.as_str(), value)
        };
        self.matrix.axes.iter().zip(self.picks).map(pick)
    }

    /// Where the value of an axis is written.
    fn node(&self, axis: &str) -> Option<&'a Node> {
        let index = self.matrix.axes.iter().position(|known| known.name == axis)?;
        let pick = *self.picks.get(index)?;
        let node = self.matrix.tree.at_path(&["matrix", "axes", axis])?;
        match &node.data {
            Data::List(items) => items.get(pick),
            Data::Map(entries) => entries.get(pick).map(|(_, _, node)| node),
            Data::Plain(_) | Data::Text(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(values: usize) -> Axis {
        let values = (0..values).map(|number| (number.to_string(), Value::Null)).collect();
        Axis { name: "a".to_owned(), values }
    }

    #[test]
    fn a_thousand_cases_are_combined_and_no_more() {
        let excluded = vec![Some(vec![0]), Some(vec![0])];
        let (picks, used) = combine(&[axis(7), axis(143)], std::slice::from_ref(&excluded)).unwrap();
        assert_eq!((picks.len(), used), (MAX_CASES, vec![true]));
        assert_eq!((picks[0].as_slice(), picks[999].as_slice()), ([0, 1].as_slice(), [6, 142].as_slice()));
        assert!(combine(&[axis(7), axis(143)], &[]).unwrap_err().contains("has 1001 cases"));
    }
}
