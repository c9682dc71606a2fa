//! The entries of the language that no struct holds, since they are taken off before serde reads the rest.

/// Of a file: name, schema of its value, words for its type, text.
pub(crate) const TOP: &[[&str; 4]] = &[
    [
        "name",
        r#""type":"string""#,
        "text",
        "What the config is called, for who reads it; nothing depends on it.",
    ],
    [
        "tags",
        r#""type":"array","items":{"type":"string"}"#,
        "list of texts",
        "Tags that all blocks of this file have, besides their own; such as `[\"web\"]`.",
    ],
    [
        "vars",
        r#""type":"object","additionalProperties":true"#,
        "table",
        "Values by name: texts, numbers, true or false, lists and tables. `{{ vars.NAME }}` is the \
         value. `--var` and `--var-file` win over them.",
    ],
];

/// Of every block, besides those of `Common`.
pub(crate) const BLOCK: &[[&str; 4]] = &[
    [
        "when",
        r#""type":["boolean","string"]"#,
        "expression",
        "The block is for hosts where this is true, such as `\"facts.os == 'debian'\"`; true. \
         Elsewhere it is skipped, and its texts need not have a value.",
    ],
    [
        "for_each",
        r#""type":["array","object","string"],"additionalProperties":true"#,
        "list or table",
        "One block for each item of a list or table, such as `[\"a\", \"b\"]` or \
         `\"{{ vars.users }}\"`. In it, `{{ each.value }}` is the item, and `{{ each.key }}` its name \
         in the table or its place in the list, which begins at 0.",
    ],
];
