"""The paper's 11 task groups (arXiv 2305.06500, section 2.1 and appendix), by the names used in cards and SQL."""

TASKS: dict[str, str] = {
    "captioning": "image captioning",
    "captioning_scene_text": "image captioning requiring reading comprehension",
    "visual_reasoning": "visual reasoning",
    "question_answering": "image question answering",
    "knowledge_question_answering": "knowledge-grounded image question answering",
    "question_answering_scene_text": "image question answering requiring reading comprehension",
    "question_generation": "image question generation",
    "video_question_answering": "video question answering",
    "visual_dialogue": "visual conversational question answering",
    "classification": "image classification",
    "llava": "LLaVA-Instruct-150K",
}

# What a dataset is for in the paper: tuning, zero-shot evaluation, or neither.
ROLES = ("held-in", "held-out", "extra")
