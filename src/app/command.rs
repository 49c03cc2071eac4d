//! Everything a person can ask of the program: panels push these, [`super::App::apply`] carries them out.

use std::path::PathBuf;

use crate::ids::{ClassId, PhotoId};
pub use crate::methods::Parameter;
use crate::project::LabelLimit;
use crate::project::key_file::KeyRows;

use super::adapters::AdapterRequest;
use super::checks::Check;
use super::exporting::Exported;
use super::gallery::{Filter, Sort};
use super::map::{MapColour, MapLayout};
use super::selection::Mark;

/// Where dropped or chosen files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The support set: folders of folders give one class each, a folder of photos gives one class.
    Support,
    /// Shots of one class.
    Class(ClassId),
    /// The pool of photos to be labelled.
    Pool,
    /// Wherever fits: two or more folders, or a folder of folders, are classes; anything else joins the pool.
    Anywhere,
}

/// Which adapted features stand beside the original ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdapterChoice {
    /// No adapted features.
    Off,
    /// The image space projected onto what the text side reaches, its extremes left out.
    IsoClip,
    /// The leading principal axes of word features.
    Pca,
    /// A file of bottleneck adapters.
    File(PathBuf),
}

/// How far the selection moves in the gallery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// By this many photos, negative backwards; a row is as many photos as the gallery has columns.
    By(isize),
    /// To the first photo.
    First,
    /// To the last photo.
    Last,
}

/// Whether a bin's pairs are wanted of one class or of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairKind {
    /// Two photos of one class.
    Paired,
    /// Two photos of different classes.
    Unpaired,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Take these files and folders in.
    AddPaths(Destination, Vec<PathBuf>),
    /// Take in a picture from the clipboard, `rgba` of `width` × `height` pixels.
    PasteImage {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
        /// Four bytes a pixel.
        rgba: Vec<u8>,
    },

    /// A new class without photos.
    AddClass(String),
    /// Another name for a class; its prompt follows where it was made from the name.
    RenameClass(ClassId, String),
    /// The texts that describe a class.
    SetPrompts(ClassId, Vec<String>),
    /// Read prompts of the classes from a file.
    LoadPrompts(PathBuf),
    /// Give every class the prompts of a published set.
    UsePromptSet(String),
    /// Remove a class with its shots from the project (files stay where they are).
    RemoveClass(ClassId),
    /// Make the shots and labels of the first class the second's, and remove the first.
    MergeClass(ClassId, ClassId),
    /// Remove a class; its shots go to the pool.
    DissolveClass(ClassId),
    /// Another colour of the palette for a class.
    SetColour(ClassId, u8),
    /// Move a class to this position in the list.
    MoveClass(ClassId, usize),
    /// Remove photos from the project (files stay where they are).
    RemovePhotos(Vec<PhotoId>),
    /// Make photos shots of a class, or (`None`) pool photos.
    MovePhotos(Vec<PhotoId>, Option<ClassId>),

    /// Label photos, or (`None`) clear their labels; the selection moves on. Where a photo may have several labels, the class is
    /// added, or taken off where all have it, and the selection stays.
    Label(Vec<PhotoId>, Option<ClassId>),
    /// Label photos with what is predicted for each; the selection moves on.
    AcceptPredictions(Vec<PhotoId>),
    /// Set photos aside as unsure, or take that back; the selection moves on.
    SetUnsure(Vec<PhotoId>, bool),
    /// Whether labelled photos join the support set.
    SetLearnFromLabels(bool),
    /// How many of them.
    SetLabelLimit(LabelLimit),
    /// Whether a photo may have several labels.
    SetMultiLabel(bool),

    /// Select a photo, or none.
    Select(Option<PhotoId>),
    /// Select a photo together with others.
    Mark(PhotoId, Mark),
    /// Select these photos together, and keep those that are selected already where the last is true.
    MarkPhotos(Vec<PhotoId>, bool),
    /// Select everything that the gallery shows.
    MarkGallery,
    /// Move the selection in the gallery.
    MoveSelection(Step),
    /// The photos now on screen: their predictions follow sliders within the frame.
    ShowPhotos(Vec<PhotoId>),
    /// Which photos the gallery shows.
    SetFilter(Filter),
    /// In which order.
    SetSort(Sort),
    /// Photos like this one first.
    FindSimilar(PhotoId),
    /// Photos like this text first; an empty text ends the search.
    FindText(String),
    /// Photos first that are as different as can be from each other and from the shots.
    FindDiverse,

    /// Look for photos by their neighbours.
    Find(Check),
    /// Labels and shots that contradict what is predicted.
    FindMistakes,
    /// Photos that would be predicted otherwise without this shot.
    FindDecided(PhotoId),
    /// Split a class into two by how its photos look.
    SplitClass(ClassId),

    /// Show photos as points on a map, or as a grid.
    ShowMap(bool),
    /// Where the map puts photos.
    SetMapLayout(MapLayout),
    /// What the colour of its points says.
    SetMapColour(MapColour),

    /// Choose a method by its name on the command line.
    SetMethod(String),
    /// A slider moves (or a value was typed).
    SetParameter(Parameter, f64),
    /// The slider was let go: the pool's order may follow now.
    ReleaseParameter,
    /// Back to the method's default.
    ResetParameter(Parameter),
    /// Set alpha, beta and, where there is one, the third parameter together: a point of the heat map.
    SetPoint(f64, f64, Option<f64>),
    /// Take the authors' values for a data set of the papers.
    UsePreset(String),
    /// Find the parameters by leave-one-out on the support set.
    Tune,
    /// Find them on a folder of photos in class folders, which stay outside the project.
    TuneOnFolder(PathBuf),
    /// Stop that.
    CancelTuning,
    /// End the training; the best so far is kept.
    EndTraining,
    /// Train again what was ended early.
    TrainAgain,
    /// Show or hide the comparison of all methods.
    ShowComparison(bool),
    /// Show or hide how good the predictions are.
    ShowEvaluation(bool),
    /// Show these photos alone, in this order: of a cell of the confusion matrix.
    ShowOnly(Vec<PhotoId>, String),
    /// Whether methods that are trained take part in it.
    TrainInComparison(bool),
    /// Whether the class names (the text term) take part.
    SetUseClassNames(bool),
    /// Choose the adapted features.
    SetAdapter(AdapterChoice),
    /// Lay adapters side by side, or close that.
    ShowAdapterComparison(bool),
    /// Show this row of them as before (0) or after (1).
    ChooseAdapterSide(usize, usize),
    /// Show or hide the dialog for training an adapter.
    ShowAdapterTraining(bool),
    /// Learn the next adapter from this folder of class folders, or (`None`) from the support set.
    LearnAdapterFrom(Option<PathBuf>),
    /// Train an adapter.
    TrainAdapter(Box<AdapterRequest>),
    /// End that training; the best so far is kept.
    EndAdapterTraining,
    /// List the pairs of photos whose cosine lies in `[low, high)`, of the adapted features where the last is true.
    ShowPairs(PairKind, f32, f32, bool),
    /// Close that list.
    HidePairs,

    /// Write photos or the classifier to somewhere else.
    Export(Exported, PathBuf),
    /// End that; nothing is written then.
    CancelExport,

    /// Take back the last change to the project.
    Undo,
    /// Do it again.
    Redo,
    /// Stop embedding; what is embedded stays.
    CancelWork,
    /// Go on embedding after a cancel.
    ResumeWork,
    /// Take a notice off the screen.
    DismissNotice(u64),
    /// Keep the keys that the person has changed.
    KeepKeys(KeyRows),
    /// Forget the list of skipped files.
    ClearSkipped,
    /// See whether photos changed, went or came back on disk.
    LookAgain,

    /// Open the demo.
    OpenDemo,
    /// Open a project file, or a folder of photos as a new project.
    OpenProject(PathBuf),
    /// Start an empty project; without a path, in Shotlens' own folder.
    NewProject(Option<PathBuf>),
    /// Use this CLIP: a known name, a path, or (`None`) the embedded one.
    OpenModel(Option<String>),
    /// Fetch a known model and use it.
    DownloadModel(String),
}
