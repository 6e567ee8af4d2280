//! Tables: what is said in a picture is said in words as well.
//!
//! Owns: captions and header cells, so that a screen reader says which column a figure stands in. Must never: be used for
//! layout.

use super::svg::escape;

/// A table with a caption; the first cell of each row names it.
pub(super) fn table(caption: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let head: String = head
        .iter()
        .map(|cell| format!("<th scope=\"col\">{}</th>", escape(cell)))
        .collect();
    let mut body = String::new();
    for row in rows {
        body.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            if at == 0 {
                body.push_str(&format!("<th scope=\"row\">{cell}</th>"));
            } else {
                body.push_str(&format!("<td>{cell}</td>"));
            }
        }
        body.push_str("</tr>\n");
    }
    let caption = escape(caption);
    format!(
        "<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>\n"
    )
}

/// A picture with its table folded away behind it.
pub(super) fn figure(picture: &str, caption: &str, table: &str) -> String {
    format!(
        "<figure>{picture}<figcaption>{}</figcaption><details><summary>The same as a table</summary><div class=\"scroll\">{table}</div></details></figure>\n",
        escape(caption)
    )
}

/// Seconds with as many digits as matter; a dash when there is none.
pub(super) fn seconds(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2} s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_named_by_its_first_cell_and_text_is_escaped() {
        let text = table("c", &["a", "b"], &[vec!["x".into(), "1 < 2".into()]]);
        assert!(text.contains("<th scope=\"row\">x</th><td>1 &lt; 2</td>"));
        assert_eq!(seconds(None), "–");
        assert_eq!(seconds(Some(1.234)), "1.23 s");
    }
}
