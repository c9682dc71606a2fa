//! What the types of fields look like in a config: words for a person, and a JSON schema.

/// Types of the language that are read alike.
pub(crate) struct Named {
    /// The types by their Rust names, with the module where another has the same name; functions of
    /// `deserialize_with` by their path.
    rust: &'static [&'static str],
    /// The name of the definition.
    pub(crate) name: &'static str,
    /// What it is called in a table.
    pub(crate) words: &'static str,
    /// Its schema, without what a template may stand for.
    pub(crate) schema: &'static str,
}

const fn named(
    rust: &'static [&'static str],
    name: &'static str,
    words: &'static str,
    schema: &'static str,
) -> Named {
    Named {
        rust,
        name,
        words,
        schema,
    }
}

/// Patterns hold for what no template is in: those are told apart by their braces.
pub(crate) const TYPES: &[Named] = &[
    named(&["bool"], "bool", "true or false", r#""type":"boolean""#),
    named(
        &[
            "String",
            "Expiry",
            "Secret",
            "OneLine",
            "Inline",
            "Pattern",
            "KeyPath",
            "CommandLine",
            "Calendar",
            "Moment",
            "PublicLine",
            "PublicKey",
            "KeyOption",
            "kmod::Options",
            "cron::Command",
            "cron::Spec",
            "sudoers::Rule",
            "limits::Domain",
        ],
        "text",
        "text",
        r#""type":"string""#,
    ),
    named(&["i32"], "integer", "whole number", r#""type":"integer""#),
    named(
        &["u8"],
        "short_number",
        "whole number",
        r#""type":"integer","minimum":0,"maximum":255"#,
    ),
    named(
        &["u16"],
        "port",
        "whole number",
        r#""type":"integer","minimum":1,"maximum":65535"#,
    ),
    named(
        &["u32"],
        "number",
        "whole number",
        r#""type":["integer","string"],"minimum":0,"maximum":4294967295,"pattern":"^[0-9]{1,10}$""#,
    ),
    named(
        &["u8"],
        "small",
        "whole number",
        r#""type":"integer","minimum":0,"maximum":255"#,
    ),
    named(
        &["at_most_100"],
        "retries",
        "whole number",
        r#""type":"integer","minimum":0,"maximum":100"#,
    ),
    named(
        &["crate::time::deserialize", "Duration"],
        "time",
        "time",
        r#""type":["integer","string"],"minimum":0,"pattern":"^[0-9]+[smh]$""#,
    ),
    named(
        &["Table"],
        "table",
        "table",
        r#""type":"object","additionalProperties":true"#,
    ),
    named(
        &["Section"],
        "section",
        "table",
        r#""type":"object","additionalProperties":{"type":["string","integer","boolean","array"],"items":{"type":["string","integer","boolean"]}}"#,
    ),
    named(
        &["AbsPath"],
        "path",
        "path",
        r#""type":"string","pattern":"^/""#,
    ),
    named(
        &["Source"],
        "source_path",
        "source",
        r#""type":"string","minLength":1"#,
    ),
    named(
        &["Mode"],
        "mode",
        "mode",
        r#""type":["string","integer"],"pattern":"^(0o)?[0-7]{1,4}$","maximum":4095"#,
    ),
    named(
        &["UserName", "GroupName"],
        "account",
        "name",
        r#""type":"string","pattern":"^[a-z_][a-z0-9_-]{0,31}$""#,
    ),
    named(
        &["PrimaryGroup"],
        "group_or_gid",
        "name or number",
        r#""type":["string","integer"],"minimum":0,"maximum":4294967295"#,
    ),
    named(
        &["PackageName"],
        "package_name",
        "package",
        r#""type":"string","pattern":"^[A-Za-z0-9][A-Za-z0-9+._-]*[A-Za-z0-9+._](:[a-z0-9_][a-z0-9_-]*)?$""#,
    ),
    named(
        &["PackageVersion"],
        "version",
        "version",
        r#""type":"string","pattern":"^[A-Za-z0-9][A-Za-z0-9.+~:_^-]{0,127}$""#,
    ),
    named(
        &["UnitName"],
        "unit_name",
        "unit",
        r#""type":"string","pattern":"^[A-Za-z0-9:_\\\\@][A-Za-z0-9:._\\\\@-]{0,254}$""#,
    ),
    named(
        &["PlainName", "RepoName"],
        "file_name",
        "name",
        r#""type":"string","pattern":"^[A-Za-z0-9_-]{1,64}$""#,
    ),
    named(
        &["RepoUri"],
        "uri",
        "address",
        r#""type":"string","pattern":"^(https?|file):/""#,
    ),
    named(
        &[
            "Suite",
            "Component",
            "LocaleName",
            "ZoneName",
            "InterfaceName",
            "SysctlKey",
            "ModuleName",
            "HostName",
        ],
        "word",
        "name",
        r#""type":"string","pattern":"^[^ ]+$""#,
    ),
    named(
        &["hosts::Address", "rule::Network"],
        "address",
        "address",
        r#""type":"string","pattern":"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$""#,
    ),
    named(
        &["Fingerprint"],
        "fingerprint",
        "fingerprint",
        r#""type":"string","pattern":"^[0-9A-Fa-f ]{40,}$""#,
    ),
    named(
        &["rule::Ports"],
        "ports",
        "port or range",
        r#""type":["integer","string"],"minimum":1,"maximum":65535,"pattern":"^[0-9]{1,5}(-[0-9]{1,5})?$""#,
    ),
    named(
        &["swap::Size"],
        "size",
        "size",
        r#""type":"string","pattern":"^[0-9]+([MGT]iB|[MGT])$""#,
    ),
    named(
        &["ChangedIf", "Expected"],
        "changed_if",
        "whole number or text",
        r#""type":["integer","string"]"#,
    ),
    named(
        &["sysctl::Value"],
        "setting",
        "text or whole number",
        r#""type":["string","integer"]"#,
    ),
    named(
        &["limits::Value"],
        "limit",
        "whole number or \"unlimited\"",
        r#""type":["string","integer"],"pattern":"^(unlimited|-?[0-9]+)$""#,
    ),
    named(
        &["assert::Truth"],
        "truth",
        "expression",
        r#""type":"boolean""#,
    ),
    named(
        &["UnitScope"],
        "unit_scope",
        "\"system\" or \"user:NAME\"",
        r#""type":"string","pattern":"^(system|user:[a-z_][a-z0-9_-]{0,31})$""#,
    ),
    named(
        &["one_or_more"],
        "one_or_two",
        "text or list of texts",
        r#""type":["string","array"],"items":{"type":"string"},"minItems":1"#,
    ),
];

/// The type with this Rust name.
pub(crate) fn find(rust: &str) -> Option<&'static Named> {
    let has = |named: &&Named| named.rust.contains(&rust);
    TYPES.iter().find(has)
}

pub(crate) fn is_known(rust: &str) -> bool {
    find(rust).is_some()
}
