//! Properties of every SVG, and the SVG in the documentation.

use super::{scenes, xml};
use plumbline_report::graph::{Graph, svg};

/// Every picture by name. If PLUMBLINE_PICTURES names a folder, they are also written there for review.
fn pictures() -> Vec<(&'static str, Graph, String)> {
    let graphs = [
        ("seed", scenes::seed()),
        ("seed-seen", scenes::seed_seen()),
        ("seed-with-failures", scenes::seed_with_failures()),
        ("wired", scenes::wired()),
        ("wired-seen", scenes::wired_seen()),
        ("many", scenes::many()),
    ];
    let pictures: Vec<_> = graphs.into_iter().map(|(name, graph)| (name, svg::write(&graph), graph)).collect();
    if let Some(folder) = std::env::var_os("PLUMBLINE_PICTURES") {
        for (name, picture, _) in &pictures {
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.svg")), picture).unwrap();
        }
    }
    pictures.into_iter().map(|(name, picture, graph)| (name, graph, picture)).collect()
}

#[test]
fn every_picture_is_well_formed() {
    for (name, _, picture) in pictures() {
        if let Err(why) = xml::well_formed(&picture) {
            panic!("{name}: {why}");
        }
    }
}

#[test]
fn a_picture_has_every_object_of_the_plan() {
    for (name, graph, picture) in pictures() {
        let text = xml::texts(&picture);
        let mut wanted: Vec<String> = graph.uplinks.clone();
        for host in &graph.hosts {
            wanted.push(host.name.clone());
            wanted.extend(host.lines.iter().map(|line| line.trim().to_owned()));
        }
        for node in &graph.nodes {
            wanted.push(node.title.clone());
            wanted.extend(node.bars.iter().flat_map(|bar| [bar.name.clone(), bar.words.clone()]));
            for pod in &node.pods {
                wanted.push(pod.name.clone());
                wanted.extend(pod.trouble.clone());
                for attachment in &pod.attachments {
                    wanted.push(attachment.interface.clone());
                    wanted.extend(attachment.lines.iter().map(|line| line.text.clone()));
                }
            }
        }
        wanted.extend(graph.paths.iter().flat_map(|path| [path.text.clone(), path.state.words()]));
        for want in wanted {
            assert!(text.contains(&want), "{name}: {want:?} is not in the picture");
        }
    }
}

#[test]
fn failures_have_a_word_and_a_class_of_their_own() {
    let picture = svg::write(&scenes::seed_with_failures());
    assert!(picture.contains("class=\"bad\""));
    assert!(xml::texts(&picture).contains("MISSING"));
    let good = svg::write(&scenes::seed_seen());
    assert!(!good.contains("class=\"iface-bad\""));
    assert!(good.contains("as requested"));
}

#[test]
fn untrusted_text_stays_text() {
    let mut graph = scenes::seed();
    graph.summary = "</svg><script>\u{1b}[2J&amp;".into();
    graph.nodes[0].pods[0].trouble = Some("\"><a href=\"x\u{0}\">".into());
    let picture = svg::write(&graph);
    xml::well_formed(&picture).unwrap();
    assert!(!picture.contains("<script") && !picture.contains("<a "));
}

/// `plumbline graph openshift/chain-example --output docs/chain-example.svg` writes it.
#[test]
fn the_picture_in_the_documentation_is_up_to_date() {
    let file = super::common::suites().join("../docs/chain-example.svg");
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    let now = svg::write(&scenes::seed());
    assert!(there == now, "plumbline graph openshift/chain-example --output docs/chain-example.svg, and commit it");
}
