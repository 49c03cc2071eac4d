//! What the lists of the data sets say: classes in the order of their labels, items in the order of the files.

use std::collections::BTreeMap;

use super::Benchmark;

/// One photo of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Below the data set's own folder, with `/`.
    pub path: String,
    /// Its class.
    pub label: usize,
}

/// A data set's classes and its three lists.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Splits {
    /// Class names by label; a name may come twice.
    pub classes: Vec<String>,
    /// Photos that shots are drawn from.
    pub train: Vec<Item>,
    /// Photos that parameters may be tuned on; none for `ImageNet`, whose authors tune on what they report.
    pub val: Vec<Item>,
    /// Photos to report on.
    pub test: Vec<Item>,
}

/// What a list says that cannot be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListError {
    /// Not the JSON that `CoOp`'s splits are.
    #[error("this is not one of CoOp's splits ({problem}); download the file again")]
    NotASplit {
        /// What is wrong with it.
        problem: String,
    },
    /// A label without a name, as in a list that was cut.
    #[error(
        "no photo of the training list has label {label}, but others go up to {highest}; download the file again"
    )]
    LabelWithoutName {
        /// The label.
        label: usize,
        /// The highest label.
        highest: usize,
    },
    /// A line that names no known class.
    #[error("line {line} names {class:?}, which is no line of {list}")]
    UnknownClass {
        /// Number of the line, from 1.
        line: usize,
        /// The class it names.
        class: String,
        /// The list of classes.
        list: &'static str,
    },
    /// A folder of photos that has no name.
    #[error("folder {folder} has no line in classnames.txt")]
    FolderWithoutName {
        /// The folder, as "n01440764".
        folder: String,
    },
    /// A folder of test photos without training photos.
    #[error("folder {folder} is in images/val but not in images/train")]
    FolderWithoutTraining {
        /// The folder.
        folder: String,
    },
    /// Photos that lie in no class's folder.
    #[error(
        "{path} lies in no folder; every class has one, as n01440764, below images/train and images/val"
    )]
    NoClassFolder {
        /// The photo.
        path: String,
    },
}

/// `{"train": [["path", label, "class name"], …], "val": …, "test": …}`. Class names are those of the training list.
pub fn splits_of_json(benchmark: &Benchmark, json: &str) -> Result<Splits, ListError> {
    type Lines = Vec<(String, usize, String)>;
    let mut lists: BTreeMap<String, Lines> =
        serde_json::from_str(json).map_err(|error| ListError::NotASplit {
            problem: error.to_string(),
        })?;
    let mut take = |name: &str| {
        lists.remove(name).ok_or_else(|| ListError::NotASplit {
            problem: format!("it has no list {name:?}"),
        })
    };
    let (train, val, test) = (take("train")?, take("val")?, take("test")?);
    let mut names: BTreeMap<usize, &str> = BTreeMap::new();
    for (_, label, name) in &train {
        names.insert(*label, name);
    }
    let all = train.iter().chain(&val).chain(&test);
    let highest = all.map(|(_, label, _)| *label).max().unwrap_or(0);
    if let Some(label) = (0..=highest).find(|label| !names.contains_key(label)) {
        return Err(ListError::LabelWithoutName { label, highest });
    }
    let classes = names.into_values().map(str::to_owned).collect();
    let items = |lines: Lines| {
        let item = |(path, label, _): (String, usize, String)| Item {
            path: benchmark.photo(&path),
            label,
        };
        lines.into_iter().map(item).collect()
    };
    let (train, val, test) = (items(train), items(val), items(test));
    Ok(Splits {
        classes,
        train,
        val,
        test,
    })
}

/// FGVC-Aircraft: the lines of `variants.txt` are the classes, those of the other files "0034309 707-320".
pub fn variants(
    benchmark: &Benchmark,
    classes: &str,
    lists: [&str; 3],
) -> Result<Splits, ListError> {
    let classes: Vec<String> = classes.lines().map(|line| line.trim().to_owned()).collect();
    let labels: BTreeMap<&str, usize> = (0..classes.len())
        .map(|label| (classes[label].as_str(), label))
        .collect();
    let item = |(index, line): (usize, &str)| {
        let (photo, class) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let label = labels.get(class).ok_or_else(|| ListError::UnknownClass {
            line: index + 1,
            class: class.to_owned(),
            list: "variants.txt",
        })?;
        Ok(Item {
            path: benchmark.photo(&format!("{photo}.jpg")),
            label: *label,
        })
    };
    let items = |list: &str| {
        list.lines()
            .enumerate()
            .map(item)
            .collect::<Result<Vec<_>, _>>()
    };
    let [train, val, test] = lists;
    let (train, val, test) = (items(train)?, items(val)?, items(test)?);
    Ok(Splits {
        classes,
        train,
        val,
        test,
    })
}

/// `ImageNet`: `classnames.txt` has "n01440764 tench" lines; photos are given below `images/train` and `images/val`, sorted, as
/// torchvision lists them for Tip-Adapter (`CoOp` takes them as the file system happens to). Labels follow the folders' names.
pub fn image_net(
    benchmark: &Benchmark,
    class_names: &str,
    train: &[String],
    val: &[String],
) -> Result<Splits, ListError> {
    let names: BTreeMap<&str, &str> = class_names
        .lines()
        .filter_map(|line| line.trim().split_once(' '))
        .collect();
    let mut folders = train
        .iter()
        .map(|path| class_folder(path))
        .collect::<Result<Vec<_>, _>>()?;
    folders.sort_unstable();
    folders.dedup();
    let name_of = |folder: &&str| {
        let name = names.get(folder).map(|name| (*name).to_owned());
        name.ok_or_else(|| ListError::FolderWithoutName {
            folder: (*folder).to_owned(),
        })
    };
    let classes = folders.iter().map(name_of).collect::<Result<_, _>>()?;
    let items = |part: &str, paths: &[String]| {
        let item = |path: &String| {
            let folder = class_folder(path)?;
            let label = folders.binary_search(&folder).map_err(|_place| {
                ListError::FolderWithoutTraining {
                    folder: folder.to_owned(),
                }
            })?;
            Ok(Item {
                path: benchmark.photo(&format!("{part}/{path}")),
                label,
            })
        };
        paths.iter().map(item).collect::<Result<Vec<_>, _>>()
    };
    let (train, test) = (items("train", train)?, items("val", val)?);
    Ok(Splits {
        classes,
        train,
        val: Vec::new(),
        test,
    })
}

fn class_folder(path: &str) -> Result<&str, ListError> {
    crate::support::class_name(path).ok_or_else(|| ListError::NoClassFolder {
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Benchmark {
        Benchmark::named(name).unwrap()
    }

    fn item(path: &str, label: usize) -> Item {
        Item {
            path: path.to_owned(),
            label,
        }
    }

    #[test]
    fn a_split_keeps_the_order_of_its_items_and_names_classes_by_label() {
        let json = r#"{"train": [["b/1.jpg", 1, "barn owl"], ["a/2.jpg", 0, "ant"], ["b/3.jpg", 1, "barn owl"]],
            "val": [["a/4.jpg", 0, "ant"]], "test": [["b/5.jpg", 1, "barn owl"]]}"#;
        let splits = splits_of_json(&named("oxford_pets"), json).unwrap();
        assert_eq!(splits.classes, ["ant", "barn owl"]);
        let train = [
            item("images/b/1.jpg", 1),
            item("images/a/2.jpg", 0),
            item("images/b/3.jpg", 1),
        ];
        assert_eq!(splits.train, train);
        assert_eq!(splits.val, [item("images/a/4.jpg", 0)]);
        assert_eq!(splits.test, [item("images/b/5.jpg", 1)]);
    }

    #[test]
    fn broken_splits_are_told() {
        let read = |json| splits_of_json(&named("dtd"), json).unwrap_err();
        assert!(matches!(read("{"), ListError::NotASplit { .. }));
        let missing = read(r#"{"train": [], "test": []}"#).to_string();
        assert!(missing.contains("\"val\""), "{missing}");
        let gap = read(r#"{"train": [["a", 0, "x"], ["b", 2, "y"]], "val": [], "test": []}"#);
        let expected = ListError::LabelWithoutName {
            label: 1,
            highest: 2,
        };
        assert_eq!(gap, expected);
        let late = read(r#"{"train": [["a", 0, "x"]], "val": [], "test": [["b", 1, "y"]]}"#);
        assert!(matches!(late, ListError::LabelWithoutName { label: 1, .. }));
    }

    #[test]
    fn aircraft_variants_have_spaces_and_their_own_order() {
        let classes = "707-320\nA340-500\nDe Havilland DHC-1\n";
        let lists = ["2 A340-500\n1 De Havilland DHC-1\n", "3 707-320\n", ""];
        let splits = variants(&named("fgvc"), classes, lists).unwrap();
        assert_eq!(splits.classes[2], "De Havilland DHC-1");
        assert_eq!(
            splits.train,
            [item("images/2.jpg", 1), item("images/1.jpg", 2)]
        );
        assert_eq!(splits.val, [item("images/3.jpg", 0)]);
        let error = variants(&named("fgvc"), classes, ["", "1 Concorde", ""]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 1 names \"Concorde\", which is no line of variants.txt"
        );
    }

    #[test]
    fn image_net_labels_follow_the_folders_and_its_test_photos_are_val() {
        let names = "n02 goldfish\nn01 tench\nn03 great white shark\n";
        let train = ["n01/a.JPEG", "n03/b.JPEG"].map(str::to_owned);
        let val = ["n03/c.JPEG".to_owned()];
        let splits = image_net(&named("imagenet"), names, &train, &val).unwrap();
        assert_eq!(splits.classes, ["tench", "great white shark"]);
        assert_eq!(splits.train[1], item("images/train/n03/b.JPEG", 1));
        assert_eq!(splits.test, [item("images/val/n03/c.JPEG", 1)]);
        assert!(splits.val.is_empty());
        let read = |train: &str, val: &str| {
            image_net(
                &named("imagenet"),
                names,
                &[train.to_owned()],
                &[val.to_owned()],
            )
            .unwrap_err()
        };
        let folder = "n02".to_owned();
        assert_eq!(
            read("n01/a.JPEG", "n02/a.JPEG"),
            ListError::FolderWithoutTraining { folder }
        );
        assert!(matches!(
            read("n09/a.JPEG", "n09/b.JPEG"),
            ListError::FolderWithoutName { .. }
        ));
        assert!(matches!(
            read("n01/a.JPEG", "ILSVRC2012_val_1.JPEG"),
            ListError::NoClassFolder { .. }
        ));
    }
}
