"""The run folder: everything of one training, in JSON and safetensors."""
