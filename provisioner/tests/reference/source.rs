//! The language as its source has it: the structs that serde reads, their doc comments and attributes.

use std::fs;
use std::path::Path;

use syn::{Attribute, Expr, Fields, Item, ItemEnum, ItemStruct, Type};

use crate::rust::{
    Serde, argument, derives, doc, elements, first_literal, last, said_default, spelled, text_of,
    words,
};
use crate::types;

/// The fields that a block or a table may have.
pub(crate) struct Table {
    /// The word in `[[word]]`, or the type's own name.
    pub(crate) name: String,
    /// Its doc comment without the example.
    pub(crate) doc: String,
    /// The config in its doc comment.
    pub(crate) example: String,
    pub(crate) fields: Vec<Field>,
    /// Exactly one of the fields is said.
    pub(crate) is_choice: bool,
}

pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) sort: Sort,
    /// What serde takes without it, as JSON.
    pub(crate) default: Option<String>,
    pub(crate) required: bool,
}

/// What may stand in a field.
pub(crate) enum Sort {
    /// A type of ours or of Rust, as `types` lists it.
    Named(String),
    /// One of these words.
    Words(Vec<String>),
    List(Box<Sort>),
    /// Any keys, each with a value of this sort.
    Map(Box<Sort>),
    Table(Table),
}

/// All files of the crate that read a config.
pub(crate) struct Sources(Vec<File>);

struct File {
    /// The module's own name.
    module: String,
    items: Vec<Item>,
}

impl Sources {
    pub(crate) fn read() -> Self {
        let mut files = Vec::new();
        for folder in ["src/block", "src/config"] {
            walk(
                &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
                &mut files,
            );
        }
        Self(files)
    }

    /// The fields of the kind that is called so.
    pub(crate) fn kind(&self, name: &str) -> Table {
        let found = self.0.iter().find_map(|file| {
            let of = file.items.iter().find_map(|item| kind_of(item, name))?;
            Some((file, of))
        });
        let (file, of) = found.unwrap_or_else(|| panic!("no `impl Kind` is called {name}"));
        let mut table = self.table(file, &of);
        name.clone_into(&mut table.name);
        table
    }

    /// The fields of a struct of a module of `config`.
    pub(crate) fn named(&self, module: &str, name: &str) -> Table {
        let file = self.0.iter().find(|file| file.module == module);
        self.table(file.expect("the module is there"), name)
    }

    /// The texts of an array or slice of a module: each element's, be it a text or a tuple of them.
    pub(crate) fn constant(&self, module: &str, name: &str) -> Vec<Vec<String>> {
        let files = self.0.iter().filter(|file| file.module == module);
        let found = files
            .flat_map(|file| &file.items)
            .find_map(|item| match item {
                Item::Const(item) if item.ident == name => Some(elements(&item.expr)),
                _ => None,
            });
        let texts = |expr: &&Expr| match expr {
            Expr::Tuple(tuple) => tuple.elems.iter().filter_map(text_of).collect(),
            expr => text_of(expr).into_iter().collect(),
        };
        let all = found.unwrap_or_else(|| panic!("no constant {module}::{name}"));
        all.iter().map(texts).collect()
    }

    fn table(&self, file: &File, name: &str) -> Table {
        let known = file.items.iter().find_map(|item| match item {
            Item::Struct(item) if item.ident == name => Some(self.of_struct(file, item)),
            Item::Enum(item) if item.ident == name => Some(self.of_enum(file, item)),
            _ => None,
        });
        known.unwrap_or_else(|| panic!("no fields of {}::{name}", file.module))
    }

    fn of_struct(&self, file: &File, item: &ItemStruct) -> Table {
        let whole = Serde::of(&item.attrs);
        if let Some(other) = whole.try_from {
            let (name, (doc, example)) = (item.ident.to_string(), doc(&item.attrs));
            return Table {
                name,
                doc,
                example,
                ..self.table(file, &other)
            };
        }
        let Fields::Named(named) = &item.fields else {
            panic!("{} has no named fields", item.ident)
        };
        let fields = named.named.iter().filter_map(|field| {
            let serde = Serde::of(&field.attrs);
            let ident = field.ident.as_ref().expect("fields have names").to_string();
            if serde.skip {
                return None;
            }
            let is_option = last(&field.ty).is_some_and(|name| name == "Option");
            let sort = self.sort(file, &field.ty, serde.with.as_deref());
            let has_default = serde.default || whole.default;
            let default = match &serde.default_by {
                Some(function) => Some(first_literal(&file.items, function)),
                None if !has_default || is_option => None,
                None => said_default(&file.items, &item.ident.to_string(), &ident)
                    .or_else(|| self.default_of(file, &field.ty)),
            };
            let optional = has_default || (is_option && serde.with.is_none());
            Some(Field {
                name: serde
                    .rename
                    .unwrap_or_else(|| ident.trim_start_matches('_').to_owned()),
                doc: doc(&field.attrs).0,
                sort,
                default,
                required: !optional,
            })
        });
        let fields = fields.collect();
        let (doc, example) = doc(&item.attrs);
        Table {
            name: item.ident.to_string(),
            doc,
            example,
            fields,
            is_choice: false,
        }
    }

    /// An enum whose variants hold values: one key, by the variant's name.
    fn of_enum(&self, file: &File, item: &ItemEnum) -> Table {
        let variants = item.variants.iter().map(|variant| {
            let serde = Serde::of(&variant.attrs);
            let held = variant.fields.iter().next().expect("variants hold values");
            Field {
                name: spelled(&item.attrs, &variant.ident.to_string()),
                doc: doc(&variant.attrs).0,
                sort: self.sort(file, &held.ty, serde.with.as_deref()),
                default: None,
                required: false,
            }
        });
        let (doc, example) = doc(&item.attrs);
        Table {
            name: item.ident.to_string(),
            doc,
            example,
            fields: variants.collect(),
            is_choice: true,
        }
    }

    fn sort(&self, file: &File, ty: &Type, with: Option<&str>) -> Sort {
        let name = last(ty).unwrap_or_default();
        if let Some(known) = with.filter(|with| types::is_known(with)) {
            return Sort::Named(known.to_owned());
        }
        let inner = |at| self.sort(file, argument(ty, at), None);
        match name.as_str() {
            "Option" | "Spanned" | "Box" => inner(0),
            "Vec" => Sort::List(Box::new(inner(0))),
            "BTreeMap" => Sort::Map(Box::new(inner(1))),
            _ => self.plain(file, &name),
        }
    }

    fn plain(&self, file: &File, name: &str) -> Sort {
        let own = format!("{}::{name}", file.module);
        if types::is_known(&own) {
            return Sort::Named(own);
        }
        let here = std::iter::once(file).chain(&self.0);
        for file in here {
            for item in &file.items {
                match item {
                    Item::Enum(item) if item.ident == name && derives(&item.attrs) => {
                        if item
                            .variants
                            .iter()
                            .all(|variant| variant.fields.is_empty())
                        {
                            return Sort::Words(words(item));
                        }
                        return Sort::Table(self.of_enum(file, item));
                    }
                    Item::Struct(item) if item.ident == name && derives(&item.attrs) => {
                        return Sort::Table(self.of_struct(file, item));
                    }
                    Item::Type(item) if item.ident == name => {
                        return self.sort(file, &item.ty, None);
                    }
                    _ => {}
                }
            }
            if types::is_known(name) {
                break;
            }
        }
        Sort::Named(name.to_owned())
    }

    fn default_of(&self, file: &File, ty: &Type) -> Option<String> {
        let name = last(ty)?;
        match name.as_str() {
            "bool" => Some("false".to_owned()),
            "u8" | "u16" | "u32" | "i32" => Some("0".to_owned()),
            _ => {
                let here = std::iter::once(file).chain(&self.0);
                let item = here
                    .flat_map(|file| &file.items)
                    .find_map(|item| match item {
                        Item::Enum(item) if item.ident == name => Some(item),
                        _ => None,
                    })?;
                let is_default = |attr: &Attribute| attr.path().is_ident("default");
                let mut variants = item.variants.iter();
                let variant = variants.find(|variant| variant.attrs.iter().any(is_default))?;
                let word = spelled(&item.attrs, &variant.ident.to_string());
                Some(format!("\"{word}\""))
            }
        }
    }
}

fn walk(folder: &Path, files: &mut Vec<File>) {
    let entries = fs::read_dir(folder).expect("a folder of the crate");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, files);
            continue;
        }
        let text = fs::read_to_string(&path).expect("text");
        let stem = |path: &Path| {
            path.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        };
        let module = match stem(&path).as_str() {
            "mod" => stem(path.parent().expect("a folder")),
            own => own.to_owned(),
        };
        let items = syn::parse_file(&text).expect("Rust").items;
        files.push(File { module, items });
    }
}

/// The type of an `impl Kind` whose `NAME` is this.
fn kind_of(item: &Item, name: &str) -> Option<String> {
    let Item::Impl(item) = item else { return None };
    let (_, of, _) = item.trait_.as_ref()?;
    let is_kind = of.segments.last()?.ident == "Kind";
    let mut constants = item.items.iter().filter_map(|item| match item {
        syn::ImplItem::Const(item) if item.ident == "NAME" => text_of(&item.expr),
        _ => None,
    });
    (is_kind && constants.next()? == name).then(|| last(&item.self_ty))?
}
