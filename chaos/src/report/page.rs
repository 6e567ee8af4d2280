//! The page around the sections: one file, no script, nothing fetched.
//!
//! Owns: the style sheet and the order of headings. Must never: load anything from anywhere.

use super::svg::escape;

const STYLE: &str = "
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto; max-width: 940px; padding: 1rem 1.5rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #8c8c8c; }
.verdict { font-size: 1.25rem; font-weight: 700; padding: .5rem .8rem; border: 3px solid; border-radius: 4px; }
.held { border-color: #00604a; border-style: solid; } .not-held { border-color: #a34800; border-style: double; border-width: 6px; } .aborted { border-color: #595959; border-style: dashed; }
table { border-collapse: collapse; margin: .8rem 0; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .2rem 0; }
th, td { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid #d9d9d9; overflow-wrap: anywhere; }
thead th { border-bottom: 2px solid #595959; } tbody th { font-weight: 500; }
figure { margin: 1rem 0; break-inside: avoid; } svg { width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: #1a1a1a; }
figcaption { font-weight: 600; } summary { cursor: pointer; color: #00527f; } .scroll { max-height: 24rem; overflow: auto; }
a { color: #00527f; } a:focus-visible, summary:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px; }
@media print { body { max-width: none; padding: 0; font-size: 11px; } .scroll { max-height: none; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
";

/// A whole page; `body` is markup, the title is text.
pub(super) fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head>\n<body><main><h1>{title}</h1>\n{body}</main></body></html>\n"
    )
}

/// A section with its heading.
pub(super) fn section(heading: &str, body: &str) -> String {
    format!("<section><h2>{}</h2>\n{body}</section>\n", escape(heading))
}
