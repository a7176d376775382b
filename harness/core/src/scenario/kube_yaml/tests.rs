use super::*;
use crate::scenario::strict;
use proptest::prelude::*;
use serde_json::json;

fn one(text: &str) -> Value {
    let documents = read("a.yaml", text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(documents.len(), 1, "{text}");
    documents[0].to_json()
}

#[test]
fn what_kubectl_reads_is_read_with_its_meaning() {
    for (text, wanted) in [
        ("mode: 0755\non: yes\n", json!({"mode": 493, "true": true})),
        ("a: '{\n  x\n}'\n", json!({"a": "{ x }"})),
        ("a: |\n  one\n  two\n", json!({"a": "one\ntwo\n"})),
        ("a: >-\n  one\n  two\n", json!({"a": "one two"})),
        ("a: &x {b: 1}\nc: *x\n", json!({"a": {"b": 1}, "c": {"b": 1}})),
        ("base: &x {b: 1, c: 2}\na:\n  <<: *x\n  c: 3\n", json!({"base": {"b": 1, "c": 2}, "a": {"b": 1, "c": 3}})),
        ("a: !!str 12\nb: !!int '12'\n", json!({"a": "12", "b": 12})),
        ("- a\n- - b\n", json!(["a", ["b"]])),
        ("a:\n- b\n", json!({"a": ["b"]})),
        ("{a: 1, b: [2, 3]}", json!({"a": 1, "b": [2, 3]})),
        ("%YAML 1.1\n---\na: 1\n...\n", json!({"a": 1})),
    ] {
        assert_eq!(one(text), wanted, "{text}");
    }
    assert_eq!(read("a.yaml", "a: 1\n---\n---\nb: 2\n").unwrap().len(), 2);
}

#[test]
fn what_is_refused_says_where() {
    for (text, at, part) in [
        ("a: 1\nb: 2\na: 3\n", "a.yaml:3:1", "first in line 1"),
        ("a:\n  b: &x [*x]\n", "a.yaml:2:10", "refers to the value that holds it"),
        ("a: *x\n", "a.yaml:1:4", "no anchor"),
        ("a: !secret x\n", "a.yaml:1:4", "!secret"),
        ("a: .nan\n", "a.yaml:1:4", "JSON"),
        ("? [a]\n: b\n", "a.yaml:1:3", "not a scalar"),
        ("a: !!int x\n", "a.yaml:1:4", "does not fit"),
        ("<<: 3\n", "a.yaml:1:1", "merge key"),
        ("a: 'open\n", "a.yaml:1:4", "not YAML"),
    ] {
        let error = read("a.yaml", text).expect_err(text);
        assert_eq!(error.source_at.to_string(), at, "{text}: {error}");
        assert!(error.message.contains(part), "{text}: {error}");
    }
}

/// Every header of a block scalar, with every end that a file can have.
#[test]
fn block_scalars_are_read_as_kubectl_reads_them() {
    let lines = ["one", "two"];
    for (style, chomping) in ["|", ">"].into_iter().flat_map(|style| ["", "-", "+"].map(|chomping| (style, chomping))) {
        for (indentation, comment) in ["", "2"].into_iter().flat_map(|i| ["", " # note"].map(|c| (i, c))) {
            for line_break in ["\n", "\r\n", "\r"] {
                for (end, breaks) in
                    [("", 0), ("\n", 1), ("\n\n", 2), ("\n# note\n", 1), ("\n---\nb: 1", 1), ("\n...\n", 1)]
                {
                    let body = format!("a: {style}{indentation}{chomping}{comment}\n  one\n  two{end}");
                    let text = body.replace('\n', line_break);
                    let kept = match chomping {
                        "-" => 0,
                        "+" => breaks,
                        _ => breaks.min(1),
                    };
                    let value = lines.join(if style == "|" { "\n" } else { " " }) + &"\n".repeat(kept);
                    let documents = read("a.yaml", &text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
                    assert_eq!(documents[0].to_json(), json!({ "a": value }), "{text:?}");
                    assert_eq!(documents.len(), 1 + usize::from(end.contains("---")), "{text:?}");
                }
            }
        }
    }
}

#[test]
fn a_block_scalar_without_lines_is_empty() {
    for header in ["|", "|-", "|+", ">", ">-", ">+"] {
        for end in ["", "\n", "\n# note", "\n---", "\n..."] {
            let documents = read("a.yaml", &format!("a: {header}{end}")).unwrap();
            assert_eq!(documents[0].to_json(), json!({ "a": "" }), "{header:?} {end:?}");
        }
        let error = read("a.yaml", &format!("a:\n  b: {header}\n\tc\n")).unwrap_err();
        assert!(error.source_at.line > 1 && error.message.starts_with("not YAML"), "{header}: {error}");
    }
}

/// YAML 1.2 refuses such lines, kubectl reads them.
#[test]
fn lines_of_a_quoted_scalar_may_be_indented_less_than_their_key() {
    for (text, value) in [
        ("a:\n  b: '{\n  }'\n  c: !x y\n", json!("{ }")),
        ("a:\n  b: '{\n\"x\":\n  1\n}'\n  c: !x y\n", json!("{ \"x\": 1 }")),
        ("a:\n  b: \"{\nx\n\n y\n}\"\n  c: !x y\n", json!("{ x\ny }")),
        ("a:\r\n  b: '{\r\n  }'\r\n  c: !x y\r\n", json!("{ }")),
    ] {
        let error = read("a.yaml", text).unwrap_err();
        let line = text.lines().position(|line| line.contains("!x")).unwrap() + 1;
        assert_eq!(error.source_at.to_string(), format!("a.yaml:{line}:6"), "{text:?}: {error}");
        let documents = read("a.yaml", &text.replace("!x y", "z")).unwrap();
        assert_eq!(documents[0].at_path(&["a", "b"]).unwrap().to_json(), value, "{text:?}");
    }
    assert!(read("a.yaml", "a: {b: 1\n").is_err());
    let deep = format!("{}a: 'x\ny'\n", "- ".repeat(60));
    assert!(read("a.yaml", &deep).is_ok());
    let wide = format!("a: 'x\n{}'\n", "y\n".repeat(400_000));
    let started = std::time::Instant::now();
    assert!(read("a.yaml", &wide).is_err());
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn every_value_knows_its_place_and_the_way_to_it() {
    let documents = read("a.yaml", "a:\n  b:\n    - x\n    - z: 1\n").unwrap();
    let inner = documents[0].at_path(&["a", "b"]).unwrap();
    assert_eq!(inner.at, Position { line: 3, column: 5 });
    assert_eq!(documents[0].path_at(Position { line: 4, column: 10 }), "a.b[1].z");
    assert_eq!(documents[0].path_at(Position { line: 1, column: 1 }), "a");
    for (text, line, column) in [
        ("a:\n  b: |\n    x\n", 2, 6),
        ("a:\n  b: | # >\n\n    x\n", 2, 6),
        ("a:\n  b: # |\n    !!str\n    >-\n    x", 4, 5),
        ("a: { c: '|' }\nb: &x |\n  x", 2, 7),
    ] {
        let documents = read("a.yaml", text).unwrap();
        let scalar = documents[0].at_path(&["a", "b"]).or_else(|| documents[0].get("b")).unwrap();
        assert_eq!(scalar.at, Position { line, column }, "{text:?}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[ -~]{0,24}",
        "\\PC{0,12}",
        "[\n\t \u{85}\u{2028}'\"\\\\#:&*!|>%@`{},\\[\\]-]{0,8}",
        prop::sample::select(vec![
            "yes",
            "no",
            "on",
            "y",
            "null",
            "~",
            "0755",
            "0x1f",
            "1_000",
            "1e3",
            ".5",
            "<<",
            "=",
            "12:30",
            "- a",
            "2026-11-21",
            "true"
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| json!(number)),
        text.clone().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[a-zA-Z0-9./ _-]{1,12}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// What `plumbline render` prints is what kubectl reads.
    #[test]
    fn what_is_written_reads_back_the_same(value in value()) {
        let object = json!({"kind": "x", "value": value});
        let text = strict::yaml(&object);
        let back = read("a.yaml", &text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(back[0].to_json(), object, "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[ -~\n\t\u{1b}\u{85}]{0,80}") {
        let _ = read("a.yaml", &text);
    }
}

#[test]
fn a_text_that_begins_with_a_tab_reads_back_the_same() {
    let object = json!({"kind": "x", "value": [{"0": "\t\n"}, "a\n\tb\n"]});
    assert_eq!(read("a.yaml", &strict::yaml(&object)).unwrap()[0].to_json(), object);
}

#[test]
fn an_alias_of_a_long_text_counts_as_many_values() {
    let text = format!("a: &x \"{}\"\nb: [{}]\n", "y".repeat(64 * 1000), "*x, ".repeat(60));
    assert!(read("f.yaml", &text).unwrap_err().message.contains("more than 50000 values"));
    assert!(read("f.yaml", &text.replace(&"*x, ".repeat(60), "*x")).is_ok());
}

#[test]
fn many_keys_of_one_object_are_read_at_once() {
    let text: String = (0..20_000).map(|number| format!("k{number}: 1\n")).collect();
    assert_eq!(read("f.yaml", &text).unwrap().len(), 1);
    let error = read("f.yaml", &format!("{text}k7: 2\n")).unwrap_err();
    assert_eq!(error.source_at.line, 20_001);
    assert!(error.message.contains("first in line 8"), "{}", error.message);
}
