//! The entries of the language that no struct holds, since they are taken off before serde reads the rest.

/// Of a file: name, schema of its value, words for its type, text.
pub(crate) const TOP: &[[&str; 4]] = &[
    [
        "name",
        r#""type":"string""#,
        "text",
        "What the config is called; without it, what its first file is called. By this name its target \
         remembers what it owns there, for `--prune`, `drift` and `why`, so that two configs need two.",
    ],
    [
        "hpt",
        r#""type":"string""#,
        "text",
        "The least version of hpt that the config needs, as `\">=0.1\"`; an older one refuses it, on the \
         workstation and on the target.",
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
         value. Groups of targets, the target, `--var-file` and `--var` win over them, in this order.",
    ],
    [
        "include",
        r#""type":"array","items":{"type":["object","string"],"additionalProperties":true}"#,
        "list",
        "Files that run before the blocks of this one: `\"common.toml\"`, all of a directory as \
         `\"conf.d/\"`, or a role as `\"role:roles/web\"`, with values for its params as \
         `{ role = \"roles/web\", port = 8080 }`. Paths start at the directory of the file that names them.",
    ],
    [
        "params",
        r#""type":"object","additionalProperties":true"#,
        "table",
        "Of a `role.toml` alone: what it can be told, by name, as `port = { default = 80, desc = \"...\" }`. \
         `{{ params.port }}` is the value. A param without a default must be given where the role is \
         included.",
    ],
    [
        "group_vars",
        r#""type":"object","additionalProperties":{"type":"object","additionalProperties":true}"#,
        "table",
        "Values for the targets of a group, as `[group_vars.GROUP]`; they win over `[vars]`. \
         `targets.toml` says who is in it.",
    ],
];

/// Types that a page names, and how their values are written.
pub(crate) const TYPES: &[[&str; 2]] = &[
    ["text", "A string of TOML. No text is longer than 256 KiB."],
    [
        "path",
        "An absolute path without `..`, such as `\"/etc/motd\"`.",
    ],
    [
        "source",
        "What the workstation brings along: a path beside the config, an https URL (with its `sha256`), \
         or `\"NAME://path\"` for an object of `[bucket.NAME]` or a file of `[repo.NAME]` or \
         `[source.NAME]`, with `#sha256=` and 64 digits behind it where its content is to be certain.",
    ],
    [
        "time",
        "Seconds as a whole number, or a text with a unit: `\"90s\"`, `\"5m\"`, `\"2h\"`.",
    ],
    [
        "mode",
        "Octal digits in quotes, such as `\"0644\"`; `0o644` is as good. A bare decimal is refused.",
    ],
    [
        "expression",
        "As in templates, without or with `{{ }}`, of `vars`, `facts`, `secret`, `target`, `params`, `each` and `result`.",
    ],
    [
        "unit",
        "A unit of systemd, such as `\"nginx.service\"`; `.service` is understood.",
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
