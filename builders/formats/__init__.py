"""File forms that several builders share.

vqa_files      VQA v2, OK-VQA: questions in one file, answers in another
scene_text     TextVQA, TextCaps: one form of file with OCR tokens
visdial_files  Visual Dialog: tables of texts that rounds point into
llava          LLaVA-Instruct: conversations about COCO images
"""
