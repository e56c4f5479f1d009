use augraft_data::{Dataset, Source};
use insta::assert_snapshot;

use crate::make::{Folder, fixture, png};

fn folder(tmp: &Folder, relative: &str) -> String {
    tmp.redact(&Dataset::open(&Source::Folder(tmp.path(relative))).unwrap_err())
}

fn flat(tmp: &Folder, relative: &str) -> String {
    tmp.redact(&Dataset::open(&Source::Flat(tmp.path(relative))).unwrap_err())
}

fn shards(tmp: &Folder, pattern: &str) -> String {
    let pattern = tmp.path(pattern).to_str().unwrap().to_owned();
    tmp.redact(&Dataset::open(&Source::Shards(pattern)).unwrap_err())
}

#[test]
fn folders() {
    let tmp = Folder::new();
    let pixel = png(1, 1, [0; 3]);
    tmp.write("classes/cat/1.png", &pixel);
    tmp.write("images/1.png", &pixel);
    tmp.write("mixed/cat/1.png", &pixel);
    tmp.write("mixed/2.PNG", &pixel);
    tmp.write("nothing/notes.txt", "");
    tmp.write("hollow/cat/notes.txt", "");
    assert_snapshot!(folder(&tmp, "absent"), @"the folder `TMP/absent` does not exist; check the path");
    assert_snapshot!(flat(&tmp, "absent"), @"the folder `TMP/absent` does not exist; check the path");
    assert_snapshot!(folder(&tmp, "images/1.png"), @"`TMP/images/1.png` is a file, not a folder; name the folder that holds the images, or use `shards:` for tar files");
    assert_snapshot!(folder(&tmp, "images"), @"`TMP/images` holds the image `1.png` outside of any class folder; use `flat:` for images without labels, or move it into a class folder");
    assert_snapshot!(folder(&tmp, "mixed"), @"`TMP/mixed` holds the image `2.PNG` outside of any class folder; use `flat:` for images without labels, or move it into a class folder");
    assert_snapshot!(flat(&tmp, "classes"), @"`TMP/classes` holds only folders, such as `cat`, and no images; use `folder:` to read one class from each");
    assert_snapshot!(folder(&tmp, "nothing"), @"`TMP/nothing` holds no images; add files that end in .jpg, .jpeg or .png");
    assert_snapshot!(flat(&tmp, "nothing"), @"`TMP/nothing` holds no images; add files that end in .jpg, .jpeg or .png");
    assert_snapshot!(folder(&tmp, "hollow"), @"`TMP/hollow` holds no images; add files that end in .jpg, .jpeg or .png");
}

#[test]
fn class_lists() {
    let tmp = Folder::new();
    tmp.write("a/dgo/1.png", png(1, 1, [0; 3]));
    tmp.write("a/classes.txt", "cat\ndog\n");
    assert_snapshot!(folder(&tmp, "a"), @"`TMP/a/dgo` is not a name in the class list; rename the folder or add the name to the list");
    let open = |list: &str| {
        let path = tmp.path(list);
        tmp.redact(&Dataset::open_with_classes(&Source::Folder(tmp.path("a")), Some(&path)).unwrap_err())
    };
    assert_snapshot!(open("absent.txt"), @"the class list `TMP/absent.txt` does not exist; check the path");
    tmp.write("twice.txt", "dgo\ncat\ndgo\n");
    assert_snapshot!(open("twice.txt"), @"line 3 of the class list `TMP/twice.txt` repeats `dgo` of line 1; write one name a line, each once");
    tmp.write("gap.txt", "dgo\n\ncat\n");
    assert_snapshot!(open("gap.txt"), @"line 2 of the class list `TMP/gap.txt` is empty; write one name a line, each once");
    tmp.write("empty.txt", "\n");
    assert_snapshot!(open("empty.txt"), @"line 1 of the class list `TMP/empty.txt` is empty; write one name a line, each once");
}

#[test]
fn tar_files() {
    let tmp = Folder::new();
    let pixel = png(1, 1, [0; 3]);
    assert_snapshot!(shards(&tmp, "x-*.tar"), @"no file matches the pattern `TMP/x-*.tar`; check the path and that the files end as the pattern does");
    assert_snapshot!(shards(&tmp, "x-[.tar"), @"no file matches the pattern `TMP/x-[.tar`; the pattern is malformed (unclosed character class; missing ']')");
    tmp.tar("bare/x.tar", &[("a/001.png", &pixel), ("a/002.png", &pixel), ("a/001.cls", b"0")]);
    assert_snapshot!(shards(&tmp, "bare/*.tar"), @"`x.tar/a/002.png` has no label; add the member `a/002.cls` with its class index");
    tmp.tar("word/x.tar", &[("001.png", &pixel), ("001.cls", b"cat\n")]);
    assert_snapshot!(shards(&tmp, "word/*.tar"), @r#"`x.tar/001.cls` holds "cat", which is not a class index; write a number from 0"#);
    tmp.tar("range/x.tar", &[("001.png", &pixel), ("001.cls", b"2")]);
    tmp.write("range/classes.txt", "cat\ndog\n");
    assert_snapshot!(shards(&tmp, "range/*.tar"), @"`x.tar/001.png` has class 2, but the class list ends at 1; correct the label or the list");
    tmp.tar("labels/x.tar", &[("001.cls", b"2")]);
    assert_snapshot!(shards(&tmp, "labels/*.tar"), @"`TMP/labels/x.tar` holds no images; add files that end in .jpg, .jpeg or .png");
    let whole = std::fs::read(tmp.path("word/x.tar")).unwrap();
    tmp.write("cut/x.tar", &whole[..520]);
    assert_snapshot!(shards(&tmp, "cut/*.tar"), @"the shard `TMP/cut/x.tar` is damaged: it ends within `001.png`; copy or build it again");
    tmp.write("text/x.tar", "not a tar file ".repeat(100));
    assert_snapshot!(shards(&tmp, "text/*.tar"), @"the shard `TMP/text/x.tar` is damaged: the header of member 0 is not that of a tar file; copy or build it again");
}

#[test]
fn images() {
    let tmp = Folder::new();
    let jpeg = fixture("baseline.jpg");
    tmp.write("a/cat/1.jpg", &jpeg[..jpeg.len() - 2]);
    tmp.write("a/cat/2.jpg", "");
    let dataset = Dataset::open(&Source::Folder(tmp.path("a"))).unwrap();
    assert_snapshot!(dataset.load(0).unwrap_err(), @"the image `cat/1.jpg` cannot be decoded: the JPEG data end early; repair or remove it, or set `on_error: skip`");
    assert_snapshot!(dataset.load(1).unwrap_err(), @"the image `cat/2.jpg` cannot be decoded: it has no bytes; repair or remove it, or set `on_error: skip`");
    std::fs::remove_file(tmp.path("a/cat/1.jpg")).unwrap();
    assert_snapshot!(tmp.redact(&dataset.load(0).unwrap_err()), @"cannot read `TMP/a/cat/1.jpg`: No such file or directory (os error 2); check the path, its permissions and the free space");
}
