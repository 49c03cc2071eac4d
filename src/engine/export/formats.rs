//! The formats of other programs: which files, and what stands in them.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::ExportError;
use super::photos::{Choice, ExportPhoto, Exportable};
use super::place::{Link, Placer, class_folders, named_from};
use super::staged::{StagedFile, StagedFolder};
use super::table::{TableWriter, confidence_text};

/// What photos are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One table, `path,label,prediction,confidence,decided_by`.
    Csv,
    /// A folder per class.
    Folders,
    /// Hugging Face's `ImageFolder`: `images/` and `metadata.jsonl`.
    ImageFolder,
    /// `FiftyOneImageClassificationDataset`: `data/` and `labels.json`.
    FiftyOne,
    /// COCO without boxes: `images/`, `annotations.json`, `predictions.json`.
    Coco,
    /// Ultralytics' layout for classification: `train/CLASS/` and `val/CLASS/`.
    Yolo,
    /// One table with features.
    Parquet,
    /// clip-retrieval's layout: arrays of features and tables of metadata.
    ClipRetrieval,
}

/// How to write.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Options {
    /// How photos get into folders.
    pub link: Link,
    /// Which photos count as being of a class.
    pub choice: Choice,
    /// Whether to replace what is there.
    pub replaces: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Photos in the output.
    pub num_photos: usize,
    /// Photos without a class, where the format has only photos with one.
    pub num_without_class: usize,
    /// Why each of the others is missing, naming its file.
    pub skipped: Vec<String>,
}

/// Every how manieth photo of a class judges, in formats with a part to judge on.
const ONE_IN: usize = 5;

impl Exportable {
    /// Writes all photos to `out`, whole or not at all.
    pub fn write(
        &self,
        format: Format,
        out: &Path,
        options: &Options,
    ) -> Result<Written, ExportError> {
        if out.symlink_metadata().is_ok() && !options.replaces {
            return Err(ExportError::Exists {
                path: out.to_owned(),
            });
        }
        match format {
            Format::Csv => self.write_table(out),
            Format::Parquet => self.write_parquet(out).map(|()| self.all_written()),
            Format::ClipRetrieval => self.write_clip_retrieval(out).map(|()| self.all_written()),
            _ => self.write_folder(format, out, options),
        }
    }

    fn write_table(&self, out: &Path) -> Result<Written, ExportError> {
        let io = |error| ExportError::io(error, out);
        let mut table = TableWriter::new(StagedFile::create(out)?).map_err(io)?;
        for photo in &self.photos {
            let row = photo.row(named_from(out, &photo.path), &self.classes);
            table.write(&row).map_err(io)?;
        }
        table.into_inner().finish()?;
        Ok(self.all_written())
    }

    fn all_written(&self) -> Written {
        Written {
            num_photos: self.photos.len(),
            num_without_class: 0,
            skipped: self.skipped.clone(),
        }
    }

    fn write_folder(
        &self,
        format: Format,
        out: &Path,
        options: &Options,
    ) -> Result<Written, ExportError> {
        let staged = StagedFolder::create(out)?;
        let mut folder = Folder {
            export: self,
            options,
            placer: Placer::new(staged.workplace(), options.link),
            root: staged.workplace(),
            written: Written {
                skipped: self.skipped.clone(),
                ..Written::default()
            },
        };
        match format {
            Format::ImageFolder => folder.image_folder()?,
            Format::FiftyOne => folder.fifty_one()?,
            Format::Coco => folder.coco()?,
            Format::Yolo => folder.yolo(),
            Format::Folders | Format::Csv | Format::Parquet | Format::ClipRetrieval => {
                folder.class_folders();
            }
        }
        let written = folder.written;
        if written.num_photos == 0 {
            return Err(ExportError::Nothing(
                "no photo has a class to be filed under: label some, or let predictions count"
                    .to_owned(),
            ));
        }
        staged.finish()?;
        Ok(written)
    }
}

/// A folder that is being filled.
struct Folder<'a> {
    export: &'a Exportable,
    options: &'a Options,
    placer: Placer<'a>,
    root: &'a Path,
    written: Written,
}

impl<'a> Folder<'a> {
    /// Puts a photo into a folder; `None`, said in `skipped`: it cannot be.
    fn put(&mut self, photo: &ExportPhoto, folder: &str) -> Option<String> {
        match self.placer.put(&photo.path, folder) {
            Ok(name) => {
                self.written.num_photos += 1;
                Some(name)
            }
            Err(reason) => {
                self.written.skipped.push(reason);
                None
            }
        }
    }

    /// Puts a photo into a folder for each of its classes; it counts once.
    fn put_in_each(&mut self, photo: &ExportPhoto, folders: &[String]) {
        let Some((first, others)) = folders.split_first() else {
            return;
        };
        if self.put(photo, first).is_none() {
            return;
        }
        for folder in others {
            if let Err(reason) = self.placer.put(&photo.path, folder) {
                self.written.skipped.push(reason);
            }
        }
    }

    /// Photos with their classes, the main one first; the others counted.
    fn classified(&mut self) -> Vec<(&'a ExportPhoto, Vec<usize>)> {
        let (export, choice) = (self.export, self.options.choice);
        let photos = export.photos.iter();
        let found: Vec<_> = photos
            .map(|photo| (photo, photo.classes(choice)))
            .filter(|(_, classes)| !classes.is_empty())
            .collect();
        self.written.num_without_class = export.photos.len() - found.len();
        found
    }

    fn class_folders(&mut self) {
        let folders = class_folders(&self.export.classes);
        for (photo, classes) in self.classified() {
            let own = classes.iter().map(|class| folders[*class].clone());
            self.put_in_each(photo, &own.collect::<Vec<_>>());
        }
    }

    fn yolo(&mut self) {
        let folders = class_folders(&self.export.classes);
        let photos = self.classified();
        let mains = photos.iter().map(|(photo, classes)| (*photo, classes[0]));
        let judging = judging(&mains.collect::<Vec<_>>());
        for (photo, classes) in photos {
            // By the main label, so that no photo of several classes learns and judges.
            let part = if judging.contains(&(classes[0], photo.hash)) {
                "val"
            } else {
                "train"
            };
            let own = classes
                .iter()
                .map(|class| format!("{part}/{}", folders[*class]));
            self.put_in_each(photo, &own.collect::<Vec<_>>());
        }
    }

    fn image_folder(&mut self) -> Result<(), ExportError> {
        let mut lines = Vec::new();
        for photo in &self.export.photos {
            let Some(name) = self.put(photo, "images") else {
                continue;
            };
            let row = photo.row(name, &self.export.classes);
            let (prediction, confidence) = row.prediction.unzip();
            let names = photo
                .labels()
                .map(|class| json!(self.export.classes[class]));
            let line = json!({
                "file_name": row.path, "label": one_or_list(names.collect()), "prediction": prediction,
                "confidence": confidence.map(number), "decided_by": row.decided_by,
            });
            writeln!(lines, "{line}").map_err(|error| ExportError::io(error, self.root))?;
        }
        self.write("metadata.jsonl", &lines)
    }

    fn fifty_one(&mut self) -> Result<(), ExportError> {
        self.placer = Placer::new(self.root, self.options.link).with_unique_stems();
        let mut labels = serde_json::Map::new();
        for (photo, classes) in self.classified() {
            let Some(name) = self.put(photo, "data") else {
                continue;
            };
            let stem = Path::new(&name).file_stem().unwrap_or_default();
            let classes = classes.into_iter().map(Value::from).collect();
            labels.insert(stem.to_string_lossy().into_owned(), one_or_list(classes));
        }
        let content = json!({"classes": self.export.classes, "labels": labels});
        self.write("labels.json", content.to_string().as_bytes())
    }

    fn coco(&mut self) -> Result<(), ExportError> {
        let (mut images, mut annotations, mut predictions) = (Vec::new(), Vec::new(), Vec::new());
        for photo in &self.export.photos {
            let Some(name) = self.put(photo, "images") else {
                continue;
            };
            let id = images.len() + 1;
            let (width, height) = size_of(&photo.path).unzip();
            images.push(json!({"id": id, "file_name": name, "width": width, "height": height}));
            for class in photo.labels() {
                annotations.push(
                    json!({"id": annotations.len() + 1, "image_id": id, "category_id": class + 1}),
                );
            }
            if let Some(found) = photo.prediction {
                predictions.push(json!({"id": predictions.len() + 1, "image_id": id, "category_id": found.class + 1, "score": number(found.confidence)}));
            }
        }
        let categories = self.export.classes.iter().enumerate();
        let categories: Vec<Value> = categories
            .map(|(class, name)| json!({"id": class + 1, "name": name, "supercategory": ""}))
            .collect();
        let content = json!({
            "info": {"description": "Image classification: annotations name a category for a whole image and have no boxes"},
            "licenses": [], "images": images, "categories": categories, "annotations": annotations,
        });
        self.write("annotations.json", content.to_string().as_bytes())?;
        self.write(
            "predictions.json",
            Value::from(predictions).to_string().as_bytes(),
        )
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let path = self.root.join(name);
        std::fs::write(&path, bytes).map_err(|error| ExportError::io(error, path))
    }
}

/// The photos of each class that judge: every fifth content, and one at least of two; copies of a photo stay together.
fn judging(photos: &[(&ExportPhoto, usize)]) -> HashSet<(usize, crate::image_io::ContentHash)> {
    let mut contents: Vec<_> = photos
        .iter()
        .map(|(photo, class)| (*class, photo.hash.0))
        .collect();
    contents.sort_unstable();
    contents.dedup();
    let of_one_class = contents.chunk_by(|a, b| a.0 == b.0);
    let chosen = of_one_class.flat_map(|contents| {
        let first = contents.len().min(ONE_IN) - 1;
        let places = (first..contents.len()).step_by(ONE_IN);
        places
            .filter(move |_| contents.len() > 1)
            .map(|place| contents[place])
    });
    chosen
        .map(|(class, hash)| (class, crate::image_io::ContentHash(hash)))
        .collect()
}

/// Nothing, the value, or a list of several.
fn one_or_list(mut values: Vec<Value>) -> Value {
    match values.len() {
        0 => Value::Null,
        1 => values.remove(0),
        _ => Value::from(values),
    }
}

/// Width and height in the file, before any turning.
fn size_of(path: &Path) -> Option<(u32, u32)> {
    let reader = image::ImageReader::open(path)
        .ok()?
        .with_guessed_format()
        .ok()?;
    reader.into_dimensions().ok()
}

/// A confidence with the digits of the table.
fn number(confidence: f32) -> f64 {
    confidence_text(confidence)
        .parse()
        .unwrap_or(f64::from(confidence))
}
