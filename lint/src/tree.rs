//! Reads a crate: its files, their modules, what each defines and names. Tests are left out.

use anyhow::{Context, Result};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::{Attribute, Item, UseTree, Visibility};

/// A module's path from the crate's root: its names.
pub(crate) type ModulePath = Vec<String>;

/// One module, in a file of its own or within its parent's.
#[derive(Default)]
pub(crate) struct Module {
    /// The file that it is written in.
    pub(crate) file: PathBuf,
    /// What it defines, and whether as a type that others see.
    pub(crate) items: BTreeMap<String, bool>,
    /// Names that a `use` brings in, with the paths that they stand for.
    bindings: BTreeMap<String, Vec<String>>,
    /// Modules of which a `use` brings in everything.
    globs: Vec<Vec<String>>,
    /// Paths that it names, re-exports left out.
    pub(crate) named: BTreeSet<Vec<String>>,
}

/// A crate.
pub(crate) struct Tree {
    pub(crate) modules: BTreeMap<ModulePath, Module>,
}

/// Reads the crate that begins in `root`.
pub(crate) fn read(root: &Path) -> Result<Tree> {
    let modules = BTreeMap::new();
    let mut tree = Tree { modules };
    let folder = root.parent().unwrap_or(Path::new("")).to_path_buf();
    tree.file(root, &folder, Vec::new())?;
    Ok(tree)
}

impl Tree {
    /// Reads a module out of its file; its own modules are in `folder`.
    fn file(&mut self, file: &Path, folder: &Path, at: ModulePath) -> Result<()> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let parsed = syn::parse_file(&text).with_context(|| file.display().to_string())?;
        self.module(file, folder, at, parsed.items)
    }

    fn module(
        &mut self,
        file: &Path,
        folder: &Path,
        at: ModulePath,
        items: Vec<Item>,
    ) -> Result<()> {
        let mut module = Module {
            file: file.to_path_buf(),
            ..Module::default()
        };
        for item in items {
            match item {
                Item::Mod(m) if !is_test(&m.attrs) => {
                    let name = m.ident.to_string();
                    let child: ModulePath = [&at[..], std::slice::from_ref(&name)].concat();
                    if let Some((_, items)) = m.content {
                        self.module(file, &folder.join(&name), child, items)?;
                    } else {
                        let beside = folder.join(format!("{name}.rs"));
                        let within = folder.join(&name).join("mod.rs");
                        let its = if beside.exists() { beside } else { within };
                        self.file(&its, &folder.join(&name), child)?;
                    }
                }
                Item::Use(u) if !is_test(&u.attrs) => {
                    module.bind(Vec::new(), &u.tree);
                    // A re-export says where something is found: it needs nothing of it.
                    if matches!(u.vis, Visibility::Inherited) {
                        module.names(u.tree.to_token_stream());
                    }
                }
                other => module.item(&other),
            }
        }
        self.modules.insert(at, module);
        Ok(())
    }

    /// The file that defines what `path` names in the module `at`. `None`: another crate, or a
    /// module as a whole.
    pub(crate) fn defines(&self, at: &[String], path: &[String], depth: usize) -> Option<&Path> {
        let (first, rest) = path.split_first()?;
        if depth > 16 {
            return None; // two globs that bring in each other
        }
        match first.as_str() {
            "crate" => return self.defines(&[], rest, depth + 1),
            "self" => return self.defines(at, rest, depth + 1),
            "super" => return self.defines(at.split_last()?.1, rest, depth + 1),
            _ => {}
        }
        let child: ModulePath = at.iter().chain([first]).cloned().collect();
        if self.modules.contains_key(&child) {
            return self.defines(&child, rest, depth + 1);
        }
        let module = self.modules.get(at)?;
        if module.items.contains_key(first) {
            return Some(&module.file);
        }
        let bound = module.bindings.get(first);
        if let Some(whole) = bound.filter(|w| w.first() != Some(first)) {
            let whole: Vec<String> = whole.iter().chain(rest).cloned().collect();
            return self.defines(at, &whole, depth + 1);
        }
        module.globs.iter().find_map(|g| {
            let whole: Vec<String> = g.iter().chain(path).cloned().collect();
            self.defines(at, &whole, depth + 1)
        })
    }
}

impl Module {
    /// Takes in what a `use` binds.
    fn bind(&mut self, before: Vec<String>, tree: &UseTree) {
        let with = |name: &dyn ToString| [&before[..], &[name.to_string()]].concat();
        match tree {
            UseTree::Path(p) => self.bind(with(&p.ident), &p.tree),
            UseTree::Name(n) if n.ident == "self" => {
                if let Some(last) = before.last() {
                    self.bindings.insert(last.clone(), before.clone());
                }
            }
            UseTree::Name(n) => {
                self.bindings.insert(n.ident.to_string(), with(&n.ident));
            }
            UseTree::Rename(r) => {
                self.bindings.insert(r.rename.to_string(), with(&r.ident));
            }
            UseTree::Glob(_) => self.globs.push(before),
            UseTree::Group(g) => g.items.iter().for_each(|t| self.bind(before.clone(), t)),
        }
    }

    /// Takes in what an item defines and names.
    fn item(&mut self, item: &Item) {
        let (attrs, name, vis) = match item {
            Item::Struct(i) => (&i.attrs, Some(&i.ident), Some(&i.vis)),
            Item::Enum(i) => (&i.attrs, Some(&i.ident), Some(&i.vis)),
            Item::Union(i) => (&i.attrs, Some(&i.ident), Some(&i.vis)),
            Item::Trait(i) => (&i.attrs, Some(&i.ident), Some(&i.vis)),
            Item::Type(i) => (&i.attrs, Some(&i.ident), Some(&i.vis)),
            Item::Const(i) => (&i.attrs, Some(&i.ident), None),
            Item::Static(i) => (&i.attrs, Some(&i.ident), None),
            Item::Fn(i) => (&i.attrs, Some(&i.sig.ident), None),
            Item::Macro(i) => (&i.attrs, i.ident.as_ref(), None),
            Item::Impl(i) => (&i.attrs, None, None),
            _ => return,
        };
        if is_test(attrs) {
            return;
        }
        if let Some(name) = name {
            let is_seen = vis.is_some_and(|v| !matches!(v, Visibility::Inherited));
            self.items.insert(name.to_string(), is_seen);
        }
        self.names(item.to_token_stream());
    }

    /// Takes in the paths that stand in these tokens, those within macros and bodies, too.
    fn names(&mut self, tokens: TokenStream) {
        paths(&mut self.named, &[], tokens);
    }
}

/// Collects each path in `tokens`, `a::{b, c}` as two. Paths in groups of their own begin anew.
fn paths(found: &mut BTreeSet<Vec<String>>, before: &[String], tokens: TokenStream) {
    let mut path = before.to_vec();
    let mut joined = !before.is_empty();
    let mut colons = 0;
    let mut end = |path: &mut Vec<String>| {
        if path.len() > 1 {
            found.insert(path.clone());
        }
        *path = before.to_vec();
    };
    let mut groups = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(i) => {
                if !joined {
                    end(&mut path);
                }
                path.push(i.to_string());
                joined = false;
            }
            TokenTree::Punct(p) if p.as_char() == ':' => {
                colons += 1;
                if colons == 2 {
                    // `::name` at the beginning is another crate's.
                    joined = true;
                }
                continue;
            }
            TokenTree::Group(g) => {
                let within = joined && g.delimiter() == Delimiter::Brace;
                groups.push((if within { path.clone() } else { Vec::new() }, g.stream()));
                end(&mut path);
                joined = !before.is_empty();
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {
                end(&mut path);
                joined = !before.is_empty();
            }
        }
        colons = 0;
    }
    end(&mut path);
    for (before, stream) in groups {
        paths(found, &before, stream);
    }
}

/// Whether an item is there in tests alone.
fn is_test(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|a| {
        let words = a.meta.to_token_stream().to_string();
        a.path().is_ident("test")
            || a.path().is_ident("cfg") && words.contains("test") && !words.contains("not (test)")
    })
}
