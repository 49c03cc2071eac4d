//! What the undo menu says about an edit.

use crate::ids::{ClassId, PhotoId};
use crate::project::edit::Edit;
use crate::project::state::{ProjectState, Role, Settings};

impl Edit {
    /// What this edit does, such as "Label 3 photos as hat"; asked before it is applied to `state`.
    pub fn describe(&self, state: &ProjectState) -> String {
        let class = |id: ClassId| {
            state
                .class(id)
                .map_or_else(|| "a class".to_owned(), |class| class.name.clone())
        };
        match self {
            Self::AddClass(added) => format!("Add class {}", added.name),
            Self::RemoveClass(id) => format!("Remove class {}", class(*id)),
            Self::RenameClass { id, name } => format!("Rename {} to {name}", class(*id)),
            Self::SetPrompts { id, .. } => format!("Change prompts of {}", class(*id)),
            Self::MoveClass { id, .. } => format!("Move class {}", class(*id)),
            Self::AddPhotos(photos) => format!("Add {}", photos_text(photos.len())),
            Self::RemovePhotos(ids) => format!("Remove {}", photos_text(ids.len())),
            Self::SetRoles(roles) => describe_roles(roles, class),
            Self::SetLabels { labels, .. } => {
                let sets = labels
                    .iter()
                    .map(|(id, label)| (*id, label.iter().copied().collect()))
                    .collect::<Vec<(PhotoId, Vec<ClassId>)>>();
                describe_labels(&sets, class)
            }
            Self::SetLabelSets { labels, .. } => {
                describe_one_class(labels, state).unwrap_or_else(|| describe_labels(labels, class))
            }
            Self::SetUnsure(photos) => describe_unsure(photos),
            Self::SetColour { id, .. } => format!("Change the colour of {}", class(*id)),
            Self::SetSettings(settings) => describe_settings(state.settings(), settings),
            Self::Batch {
                title: Some(title), ..
            } => title.clone(),
            Self::Batch { edits, .. } => match edits.as_slice() {
                [] => "Change nothing".to_owned(),
                [only] => only.describe(state),
                [first, rest @ ..] => format!("{} and {} more", first.describe(state), rest.len()),
            },
        }
    }
}

fn describe_roles(roles: &[(PhotoId, Role)], class: impl Fn(ClassId) -> String) -> String {
    let photos = photos_text(roles.len());
    match common(roles) {
        Some(Role::Shot(id)) => format!("Make {photos} shots of {}", class(*id)),
        Some(Role::Pool) => format!("Move {photos} to the pool"),
        None => format!("Move {photos}"),
    }
}

fn describe_labels(
    labels: &[(PhotoId, Vec<ClassId>)],
    class: impl Fn(ClassId) -> String,
) -> String {
    let photos = photos_text(labels.len());
    match common(labels) {
        Some(ids) if ids.is_empty() => format!("Clear the label of {photos}"),
        Some(ids) => {
            let names: Vec<String> = ids.iter().map(|id| class(*id)).collect();
            format!("Label {photos} as {}", names.join(", "))
        }
        None => format!("Label {photos}"),
    }
}

/// Of labels that differ from those before by one class, the same for all photos.
fn describe_one_class(labels: &[(PhotoId, Vec<ClassId>)], state: &ProjectState) -> Option<String> {
    let change_of = |(id, after): &(PhotoId, Vec<ClassId>)| {
        let before = state.photo(*id)?;
        let mut added = after.iter().filter(|class| !before.shows(**class));
        let mut gone = before.labels().filter(|class| !after.contains(class));
        match (added.next(), added.next(), gone.next(), gone.next()) {
            (Some(class), None, None, None) => Some((*class, true)),
            (None, None, Some(class), None) => Some((class, false)),
            _ => None,
        }
    };
    let (class, is_added) = change_of(labels.first()?)?;
    let is_common = |one| change_of(one) == Some((class, is_added));
    let name = &state.class(class)?.name;
    let photos = photos_text(labels.len());
    labels.iter().all(is_common).then(|| {
        if is_added {
            format!("Label {photos} as {name}")
        } else {
            format!("Take {name} off {photos}")
        }
    })
}

fn describe_unsure(photos: &[(PhotoId, bool)]) -> String {
    let text = photos_text(photos.len());
    match common(photos) {
        Some(false) => format!("Take back \"unsure\" of {text}"),
        _ => format!("Set {text} aside as unsure"),
    }
}

fn describe_settings(before: &Settings, after: &Settings) -> String {
    let Settings {
        method,
        alpha,
        beta,
        gamma,
        adapter,
        model,
        ..
    } = after;
    let switch = |on: bool| if on { "on" } else { "off" };
    if before.model != *model {
        "Change the model".to_owned()
    } else if before.method != *method {
        format!("Change the method to {method}")
    } else if before.adapter != *adapter {
        "Change the adapter".to_owned()
    } else if before.use_class_names != after.use_class_names {
        format!("Turn class names {}", switch(after.use_class_names))
    } else if before.learn_from_labels != after.learn_from_labels {
        format!(
            "Turn learning from labels {}",
            switch(after.learn_from_labels)
        )
    } else if before.multi_label != after.multi_label {
        format!("Turn several labels a photo {}", switch(after.multi_label))
    } else if before.options != after.options {
        match &after.options.preset {
            Some(preset) => format!("Take the values of {preset}"),
            None => "Change the method's options".to_owned(),
        }
    } else if after.auto_tuned && (before.alpha, before.beta) != (*alpha, *beta) {
        format!("Tune α to {alpha:.2} and β to {beta:.2}")
    } else if before.alpha.to_bits() != alpha.to_bits() {
        format!("Set α to {alpha:.2}")
    } else if before.beta.to_bits() != beta.to_bits() {
        format!("Set β to {beta:.2}")
    } else if before.gamma.to_bits() != gamma.to_bits() {
        format!("Set γ to {gamma:.2}")
    } else {
        format!("Turn automatic tuning {}", switch(after.auto_tuned))
    }
}

fn photos_text(count: usize) -> String {
    if count == 1 {
        "1 photo".to_owned()
    } else {
        format!("{count} photos")
    }
}

fn common<T: PartialEq>(pairs: &[(PhotoId, T)]) -> Option<&T> {
    let (_, first) = pairs.first()?;
    pairs
        .iter()
        .all(|(_, value)| value == first)
        .then_some(first)
}
