//! A JSON document under change, and the patch that changes it.
//!
//! Only explicit operations on what is ours are written (RFC 6902), never a difference between two
//! typed objects: a field that this program's types do not know yet stays where it is, in the
//! container it belongs to. An operation that would change nothing is left out, so that a second
//! pass over an injected pod gives an empty patch.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchError, PatchOperation, RemoveOperation};
use serde_json::{Map, Value};

/// A document and what was done to it so far.
pub(super) struct Document {
    value: Value,
    ops: Vec<PatchOperation>,
}

impl Document {
    pub(super) fn new(value: Value) -> Self {
        Self {
            value,
            ops: Vec::new(),
        }
    }

    /// What stands at this path now.
    pub(super) fn get(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(&self.value, |v, token| match v {
            Value::Object(o) => o.get(*token),
            Value::Array(a) => token.parse::<usize>().ok().and_then(|i| a.get(i)),
            _ => None,
        })
    }

    /// The array at this path; empty if there is none.
    pub(super) fn array(&self, path: &[&str]) -> &[Value] {
        self.get(path)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// Sets a member of an object; makes the objects above it.
    pub(super) fn set(&mut self, path: &[&str], value: Value) -> Result<(), PatchError> {
        if self.get(path) == Some(&value) {
            return Ok(());
        }
        if let Some((_, parents)) = path.split_last() {
            for n in 1..=parents.len() {
                let parent = parents.get(..n).unwrap_or_default();
                if self.get(parent).is_none_or(Value::is_null) {
                    self.add(parent, Value::Object(Map::new()))?;
                }
            }
        }
        self.add(path, value)
    }

    /// Puts an element into an array before the one at `index`; makes the array if there is none.
    pub(super) fn insert(
        &mut self,
        path: &[&str],
        index: usize,
        value: Value,
    ) -> Result<(), PatchError> {
        if self.get(path).is_none_or(Value::is_null) {
            return self.set(path, Value::Array(vec![value]));
        }
        self.add(&[path, &[index.to_string().as_str()]].concat(), value)
    }

    /// Puts the element that `key` names (`name` of a volume, `mountPath` of a mount) into an
    /// array: in the place of the one that is there, or at the end.
    pub(super) fn upsert(
        &mut self,
        path: &[&str],
        key: &str,
        value: Value,
    ) -> Result<(), PatchError> {
        let mut there = self.array(path).iter();
        match there.position(|e| e.get(key) == value.get(key)) {
            Some(i) => self.replace(path, i, value),
            None => self.insert(path, self.array(path).len(), value),
        }
    }

    /// Replaces an element of an array.
    pub(super) fn replace(
        &mut self,
        path: &[&str],
        index: usize,
        value: Value,
    ) -> Result<(), PatchError> {
        if self.array(path).get(index) == Some(&value) {
            return Ok(());
        }
        self.remove(path, index)?;
        self.insert(path, index, value)
    }

    /// Takes an element out of an array.
    pub(super) fn remove(&mut self, path: &[&str], index: usize) -> Result<(), PatchError> {
        let index = index.to_string();
        let path = [path, &[index.as_str()]].concat();
        self.apply(PatchOperation::Remove(RemoveOperation {
            path: pointer(&path),
        }))
    }

    fn add(&mut self, path: &[&str], value: Value) -> Result<(), PatchError> {
        self.apply(PatchOperation::Add(AddOperation {
            path: pointer(path),
            value,
        }))
    }

    fn apply(&mut self, op: PatchOperation) -> Result<(), PatchError> {
        // Nothing is to be taken back: a document whose change fails is thrown away.
        json_patch::patch_unsafe(&mut self.value, std::slice::from_ref(&op))?;
        self.ops.push(op);
        Ok(())
    }

    /// The patch, and the document as it is after it.
    pub(super) fn finish(self) -> (Patch, Value) {
        (Patch(self.ops), self.value)
    }
}

fn pointer(path: &[&str]) -> PointerBuf {
    PointerBuf::from_tokens(path.iter().copied())
}

#[cfg(test)]
mod tests;
