"""MSVD-QA: questions on YouTube clips; a second file maps video numbers to clips."""

import re
from collections.abc import Iterator

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row, clean, count_answers
from ib_data.sample import Annotation

_CLIP = re.compile(r"[A-Za-z0-9_-]+_\d+_\d+")
_VIDEO = re.compile(r"vid(\d{1,9})")


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per question; the same question with another answer is another annotation."""
    clips = _clips(files)
    questions = files.rows("annotations")
    if questions and not any(question.get("video_id", int) in clips for question in questions):
        raise files.wrong_file("clip names", f"no video of {files.name('annotations')} is here")
    for question in questions:
        video_id = question.get("video_id", int)
        annotation = Annotation(
            id=str(question.get("id", int)),
            question=clean(question.get("question", str)),
            answers=count_answers([question.get("answer", str)]),
            extra={"video_id": video_id},
        )
        if video_id in clips:
            yield Row(MediaRef("msvd_videos", clips[video_id]), annotation)
        else:
            yield Drop(annotation.id, "video without a clip name")


def _clips(files: Files) -> dict[int, str]:
    """The name of the clip, YOUTUBE-ID_START_END, by the number of the video."""
    clips: dict[int, str] = {}
    for line in files.csv("clip names", ("clip", "video"), delimiter=" ", has_header=False):
        clip, video = line.get("clip", str), _VIDEO.fullmatch(line.get("video", str))
        if not video or not _CLIP.fullmatch(clip):
            raise line.error("expected 'YOUTUBE-ID_START_END vidNUMBER'", "fetch the official file again")
        if int(video[1]) in clips:
            raise line.error(f"{video[0]} occurs twice", "fetch the official file again")
        clips[int(video[1])] = clip
    return clips
