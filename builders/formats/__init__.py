"""File forms that two or more builders share; what one dataset alone needs is in its builder.

vqa_files   VQA v2, OK-VQA: questions in one file, answers in another
karpathy    COCO captions, Flickr30k: Karpathy's split files
scene_text  TextVQA, TextCaps: one form of file with OCR tokens
llava       LLaVA-Instruct: conversations about COCO images
"""
