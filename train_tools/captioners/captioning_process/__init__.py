"""The process that looks at pictures: one file for each captioner. Only here torch, transformers, onnxruntime and
httpx are imported for captions, each when a captioner that needs it is opened. Nothing else imports this."""
