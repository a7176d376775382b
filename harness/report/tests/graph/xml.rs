//! As much of XML as the pictures use: elements, attributes in double quotes, text, the five entities.

/// Whether tags are balanced, attributes quoted, and every `&` begins an entity.
pub fn well_formed(text: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text.trim_end();
    let mut roots = 0;
    while let Some(start) = rest.find('<') {
        entities(&rest[..start])?;
        let end = start + rest[start..].find('>').ok_or("a tag without end")?;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let last = open.pop().ok_or_else(|| format!("</{name}> too many"))?;
            if last != name {
                return Err(format!("</{name}> closes <{last}>"));
            }
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        roots += usize::from(open.is_empty());
        attributes(tag.trim_end_matches('/').strip_prefix(name).unwrap_or_default())?;
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    match (open.as_slice(), roots, rest) {
        ([], 1, "") => Ok(()),
        (open, roots, rest) => Err(format!("open {open:?}, {roots} roots, rest {rest:?}")),
    }
}

fn attributes(mut text: &str) -> Result<(), String> {
    while !text.trim().is_empty() {
        let (_, value) = text.split_once("=\"").ok_or_else(|| format!("no attribute: {text:?}"))?;
        let (value, rest) = value.split_once('"').ok_or_else(|| format!("no end of the value: {text:?}"))?;
        entities(value)?;
        text = rest;
    }
    Ok(())
}

fn entities(text: &str) -> Result<(), String> {
    if let Some(c) = text.chars().find(|c| c.is_control() && *c != '\n') {
        return Err(format!("control character {c:?}"));
    }
    for part in text.split('&').skip(1) {
        if !["amp;", "lt;", "gt;", "quot;"].iter().any(|entity| part.starts_with(entity)) {
            return Err(format!("no entity: &{part}"));
        }
    }
    Ok(())
}

/// All texts between tags, entities resolved.
pub fn texts(text: &str) -> String {
    let all: String = text.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect();
    all.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}
