//! Pieces of Rust as the reference needs them: attributes of serde, doc comments, literals, types.

use syn::{Attribute, Expr, Item, ItemEnum, Lit, Type};

/// What serde is told of a field, a variant or a type.
#[derive(Default)]
pub(crate) struct Serde {
    pub(crate) rename: Option<String>,
    pub(crate) rename_all: Option<String>,
    pub(crate) with: Option<String>,
    pub(crate) try_from: Option<String>,
    /// `default`, with or without a function.
    pub(crate) default: bool,
    /// `default = "function"`.
    pub(crate) default_by: Option<String>,
    pub(crate) skip: bool,
}

impl Serde {
    pub(crate) fn of(attrs: &[Attribute]) -> Self {
        let mut serde = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
            let read = attr.parse_nested_meta(|meta| {
                let key = meta.path.get_ident().expect("a word").to_string();
                let value = match meta.value() {
                    Ok(value) => Some(value.parse::<syn::LitStr>()?.value()),
                    Err(_) => None,
                };
                match key.as_str() {
                    "rename" => serde.rename = value,
                    "rename_all" => serde.rename_all = value,
                    "deserialize_with" => serde.with = value,
                    "try_from" => serde.try_from = value,
                    "default" => (serde.default, serde.default_by) = (true, value),
                    "skip" => serde.skip = true,
                    "deny_unknown_fields" | "borrow" | "expecting" | "untagged" => {}
                    other => panic!("the reference does not know serde's `{other}` yet"),
                }
                Ok(())
            });
            read.expect("attributes of serde");
        }
        serde
    }
}

pub(crate) fn derives(attrs: &[Attribute]) -> bool {
    let mut found = false;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("derive")) {
        let read = attr.parse_nested_meta(|meta| {
            found |= meta
                .path
                .segments
                .last()
                .is_some_and(|s| s.ident == "Deserialize");
            Ok(())
        });
        read.expect("a list of traits");
    }
    found
}

/// The words of an enum without values; not those whose doc comment leaves them to a later version.
pub(crate) fn words(item: &ItemEnum) -> Vec<String> {
    let now = |attrs: &[Attribute]| !doc(attrs).0.contains("later version");
    let variants = item.variants.iter().filter(|variant| now(&variant.attrs));
    let word = |variant: &syn::Variant| {
        let rename = Serde::of(&variant.attrs).rename;
        rename.unwrap_or_else(|| spelled(&item.attrs, &variant.ident.to_string()))
    };
    variants.map(word).collect()
}

/// A variant's name by the type's `rename_all`.
pub(crate) fn spelled(attrs: &[Attribute], variant: &str) -> String {
    match Serde::of(attrs).rename_all.as_deref() {
        Some("lowercase") => variant.to_ascii_lowercase(),
        Some(style @ ("snake_case" | "kebab-case")) => {
            let between = if style == "snake_case" { '_' } else { '-' };
            let mut word = String::new();
            for c in variant.chars() {
                if c.is_uppercase() && !word.is_empty() {
                    word.push(between);
                }
                word.extend(c.to_lowercase());
            }
            word
        }
        Some(other) => panic!("the reference does not know `{other}` yet"),
        None => variant.to_owned(),
    }
}

/// A doc comment as paragraphs, and the config in it.
pub(crate) fn doc(attrs: &[Attribute]) -> (String, String) {
    let lines = attrs.iter().filter_map(|attr| match &attr.meta {
        syn::Meta::NameValue(meta) if meta.path.is_ident("doc") => text_of(&meta.value),
        _ => None,
    });
    let (mut words, mut example, mut inside) = (String::new(), String::new(), false);
    for line in lines {
        let line = line.strip_prefix(' ').unwrap_or(&line);
        if line.starts_with("```") {
            inside = !inside;
        } else if inside {
            example += &format!("{line}\n");
        } else if line.is_empty() {
            words = format!("{}\n\n", words.trim_end());
        } else {
            words += &format!("{} ", line.trim());
        }
    }
    (words.trim_end().to_owned(), example)
}

/// The first literal in a function without arguments, as JSON: what it makes its value from.
pub(crate) fn first_literal(items: &[Item], function: &str) -> String {
    let found = items.iter().find_map(|item| match item {
        Item::Fn(item) if item.sig.ident == function => item.block.stmts.first(),
        _ => None,
    });
    let Some(syn::Stmt::Expr(expr, _)) = found else {
        panic!("no default in {function}")
    };
    literal(expr).unwrap_or_else(|| panic!("no literal in {function}"))
}

/// What `impl Default` of a type says of a field.
pub(crate) fn said_default(items: &[Item], of: &str, field: &str) -> Option<String> {
    let items = items.iter().filter_map(|item| match item {
        Item::Impl(item) if last(&item.self_ty).is_some_and(|name| name == of) => Some(item),
        _ => None,
    });
    let default = items
        .filter(|item| {
            let of = item
                .trait_
                .as_ref()
                .and_then(|(_, path, _)| path.segments.last());
            of.is_some_and(|segment| segment.ident == "Default")
        })
        .flat_map(|item| &item.items);
    let mut bodies = default.filter_map(|item| match item {
        syn::ImplItem::Fn(item) => item.block.stmts.first(),
        _ => None,
    });
    let syn::Stmt::Expr(Expr::Struct(all), _) = bodies.next()? else {
        return None;
    };
    let is_it = |member: &syn::Member| matches!(member, syn::Member::Named(name) if name == field);
    let said = all.fields.iter().find(|said| is_it(&said.member))?;
    literal(&said.expr)
}

pub(crate) fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Bool(yes) => Some(yes.value.to_string()),
            Lit::Int(number) => Some(number.base10_digits().to_owned()),
            Lit::Str(text) => Some(format!("{:?}", text.value())),
            _ => None,
        },
        Expr::Call(call) => call.args.iter().find_map(literal),
        Expr::MethodCall(call) => literal(&call.receiver),
        _ => None,
    }
}

pub(crate) fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

pub(crate) fn elements(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Reference(reference) => elements(&reference.expr),
        Expr::Array(array) => array.elems.iter().collect(),
        _ => Vec::new(),
    }
}

/// The last name of a type's path; `()` for nothing.
pub(crate) fn last(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        Type::Tuple(_) => Some("()".to_owned()),
        _ => None,
    }
}

/// One of a type's own types.
pub(crate) fn argument(ty: &Type, at: usize) -> &Type {
    let Type::Path(path) = ty else {
        panic!("a path")
    };
    let segment = path.path.segments.last().expect("a name");
    let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        panic!("{} without types", segment.ident)
    };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        syn::GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.nth(at).expect("as many types as it takes")
}
