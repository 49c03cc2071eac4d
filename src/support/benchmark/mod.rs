//! The eleven data sets of the few-shot literature in `CoOp`'s layout: folder names, lists, labels and their order.
//!
//! Follows datasets/*.py and DATASETS.md of KaiyangZhou/CoOp (at ff61507c); reading files is the caller's part, what they
//! say is understood here. The order of items decides which shots a seed draws, so it is kept as the lists have it.

mod lists;

pub use lists::{Item, ListError, Splits, image_net, splits_of_json, variants};

/// One data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Benchmark {
    /// Its name on the command line and in `assets/prompts.toml`.
    pub name: &'static str,
    /// Its heading in `CoOp`'s DATASETS.md.
    pub title: &'static str,
    /// Its folder below the root of all data sets.
    pub folder: &'static str,
    /// The folder of its photos, below its own; empty where the lists name it themselves.
    pub images: &'static str,
    /// How it says what is trained on and what is tested on.
    pub lists: Lists,
}

/// How a data set says what is trained on and what is tested on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// One JSON file, made by the authors of `CoOp`.
    Split(&'static str),
    /// `variants.txt` and `images_variant_{train,val,test}.txt`.
    Variants,
    /// `classnames.txt`, and one folder per class below `images/train` and `images/val`.
    ClassFolders,
}

/// A name that no data set has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no data set {name:?}; choose one of {}", ALL.map(|benchmark| benchmark.name).join(", "))]
pub struct UnknownBenchmark {
    /// The name asked for.
    pub name: String,
}

const fn split(
    name: &'static str,
    title: &'static str,
    folder: &'static str,
    images: &'static str,
    list: &'static str,
) -> Benchmark {
    Benchmark {
        name,
        title,
        folder,
        images,
        lists: Lists::Split(list),
    }
}

/// All of them, by name.
pub const ALL: [Benchmark; 11] = [
    split(
        "caltech101",
        "Caltech101",
        "caltech-101",
        "101_ObjectCategories",
        "split_zhou_Caltech101.json",
    ),
    split(
        "dtd",
        "DTD",
        "dtd",
        "images",
        "split_zhou_DescribableTextures.json",
    ),
    split(
        "eurosat",
        "EuroSAT",
        "eurosat",
        "2750",
        "split_zhou_EuroSAT.json",
    ),
    Benchmark {
        name: "fgvc_aircraft",
        title: "FGVCAircraft",
        folder: "fgvc_aircraft",
        images: "images",
        lists: Lists::Variants,
    },
    split(
        "food101",
        "Food101",
        "food-101",
        "images",
        "split_zhou_Food101.json",
    ),
    Benchmark {
        name: "imagenet",
        title: "ImageNet",
        folder: "imagenet",
        images: "images",
        lists: Lists::ClassFolders,
    },
    split(
        "oxford_flowers",
        "Flowers102",
        "oxford_flowers",
        "jpg",
        "split_zhou_OxfordFlowers.json",
    ),
    split(
        "oxford_pets",
        "OxfordPets",
        "oxford_pets",
        "images",
        "split_zhou_OxfordPets.json",
    ),
    // Its list names cars_train/ and cars_test/ itself.
    split(
        "stanford_cars",
        "StanfordCars",
        "stanford_cars",
        "",
        "split_zhou_StanfordCars.json",
    ),
    split(
        "sun397",
        "SUN397",
        "sun397",
        "SUN397",
        "split_zhou_SUN397.json",
    ),
    split(
        "ucf101",
        "UCF101",
        "ucf101",
        "UCF-101-midframes",
        "split_zhou_UCF101.json",
    ),
];

impl Benchmark {
    /// The data set with this name; `fgvc` is short for `fgvc_aircraft`.
    pub fn named(name: &str) -> Result<Self, UnknownBenchmark> {
        let full = if name == "fgvc" {
            "fgvc_aircraft"
        } else {
            name
        };
        ALL.into_iter()
            .find(|benchmark| benchmark.name == full)
            .ok_or_else(|| UnknownBenchmark {
                name: name.to_owned(),
            })
    }

    /// `path` below the data set's own folder, with `/`.
    pub fn photo(&self, path: &str) -> String {
        let path = path.trim_start_matches('/');
        if self.images.is_empty() {
            path.to_owned()
        } else {
            format!("{}/{path}", self.images)
        }
    }

    /// Where the missing `file` (or folder) of this data set comes from, for people.
    pub fn where_from(&self, file: &str) -> String {
        format!(
            "{file} of {title} is missing; {title} in CoOp's DATASETS.md says where to get it and puts it into $DATA/{folder}/ ($DATA is what --root names)",
            title = self.title,
            folder = self.folder
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_their_data_sets_and_fgvc_is_short() {
        for benchmark in ALL {
            assert_eq!(Benchmark::named(benchmark.name), Ok(benchmark));
        }
        assert_eq!(Benchmark::named("fgvc").unwrap().name, "fgvc_aircraft");
        let message = Benchmark::named("cifar10").unwrap_err().to_string();
        assert!(
            message.contains("\"cifar10\"") && message.contains("oxford_pets"),
            "{message}"
        );
    }

    #[test]
    fn photos_lie_in_the_folder_of_images_unless_the_list_says_where() {
        let path = |name, photo| Benchmark::named(name).unwrap().photo(photo);
        assert_eq!(path("sun397", "a/abbey/x.jpg"), "SUN397/a/abbey/x.jpg");
        assert_eq!(
            path("stanford_cars", "cars_train/1.jpg"),
            "cars_train/1.jpg"
        );
        assert_eq!(path("eurosat", "/River/1.jpg"), "2750/River/1.jpg");
    }
}
