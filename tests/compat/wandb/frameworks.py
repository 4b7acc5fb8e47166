"""Trainings with the frameworks people use, written as their users write them."""

CHAPTER = """
import argparse
import random

import numpy as np
import torch
{wandb}

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=3)
parser.add_argument("--lr", type=float, default=0.1)
args = parser.parse_args()

# Before the training:
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)
torch.cuda.manual_seed_all(args.seed)
torch.backends.cudnn.deterministic = True
torch.backends.cudnn.benchmark = False

wandb.init(project="chapter", config=args)

model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
data = torch.randn(64, 4)
target = (data.sum(1) > 0).long()
epoch = global_step = 0
save_path_for_init, save_path = "init.pt", "final.pt"

checkpoint = {{
    'model': model.state_dict(),
    'optimizer': optimizer.state_dict(),
    'settings': args,
    'epoch': epoch,
    'step': global_step
}}
torch.save(checkpoint, save_path_for_init)
wandb.save(save_path_for_init)

for epoch in range(2):
    for at in range(0, 64, 16):
        loss = torch.nn.functional.cross_entropy(model(data[at:at + 16]), target[at:at + 16])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        global_step += 1
        wandb.log({{"loss": loss, "epoch": epoch}})

checkpoint = {{
    'model': model.state_dict(),
    'optimizer': optimizer.state_dict(),
    'settings': args,
    'epoch': epoch,
    'step': global_step
}}
torch.save(checkpoint, save_path)
wandb.save(save_path)
"""

TRAINER = """
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

torch.manual_seed(0)
config = BertConfig(
    vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=32, max_position_embeddings=16, num_labels=2,
)
ids = torch.randint(0, 32, (32, 8), generator=torch.Generator().manual_seed(1))
mask = torch.ones(8, dtype=torch.long)
data = [{"input_ids": i, "attention_mask": mask, "labels": int(i.sum() > 120)} for i in ids]
arguments = TrainingArguments(
    output_dir="out", report_to="wandb", run_name="tiny", max_steps=6, logging_steps=2,
    per_device_train_batch_size=4, eval_strategy="steps", eval_steps=3, save_strategy="steps",
    save_steps=3, use_cpu=True, disable_tqdm=True, seed=7, learning_rate=1e-3,
)
model = BertForSequenceClassification(config)
trainer = Trainer(model=model, args=arguments, train_dataset=data, eval_dataset=data[:8])
trainer.train()
"""

LIGHTNING = """
import sys

import lightning as L
import torch
from lightning.pytorch.loggers import WandbLogger


class Model(L.LightningModule):
    def __init__(self, lr=0.05):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch, number):
        loss = ((self.layer(batch[0]) - batch[1]) ** 2).mean()
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, number):
        self.log("val/loss", ((self.layer(batch[0]) - batch[1]) ** 2).mean(), sync_dist=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)


if __name__ == "__main__":
    strategy = sys.argv[1]
    L.seed_everything(1)
    x = torch.randn(64, 4)
    data = torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True))
    alone = strategy == "auto"
    logger = WandbLogger(project="light", name="lt", log_model="all" if alone else False)
    trainer = L.Trainer(
        max_epochs=2, logger=logger, accelerator="cpu", devices=1 if alone else 2,
        strategy=strategy, log_every_n_steps=2, enable_progress_bar=False,
        enable_model_summary=False,
    )
    model = Model()
    if alone:
        logger.watch(model)
        logger.log_text("words", columns=["a"], data=[["b"]])
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    trainer.fit(model, loader, loader)
"""

ACCELERATE = """
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

set_seed(3)
accelerator = Accelerator(log_with="wandb", cpu=True)
more = {"wandb": {"name": "acc", "tags": ["t"]}}
accelerator.init_trackers("proj", config={"lr": 0.1, "layers": 1}, init_kwargs=more)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
x = torch.randn(32, 4)
data = torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True))
loader = torch.utils.data.DataLoader(data, batch_size=8, shuffle=True)
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
step = 0
for epoch in range(2):
    for inputs, targets in loader:
        loss = ((model(inputs) - targets) ** 2).mean()
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        accelerator.log({"train_loss": loss.item()}, step=step)
tracker = accelerator.get_tracker("wandb")
tracker.log_images({"images": [x[:4].numpy()]}, step=step)
tracker.log_table("table", columns=["a"], data=[[1], [2]], step=step)
accelerator.end_training()
"""

SFT = """
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

words = ["[PAD]", "[EOS]", "[UNK]"] + [f"w{number}" for number in range(20)]
known = {word: number for number, word in enumerate(words)}
made = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
made.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=made, pad_token="[PAD]", eos_token="[EOS]", unk_token="[UNK]"
)
torch.manual_seed(0)
config = GPT2Config(
    vocab_size=len(words), n_embd=16, n_layer=1, n_head=2, n_positions=32, bos_token_id=1,
    eos_token_id=1,
)
texts = [" ".join(f"w{(i * j) % 20}" for j in range(8)) for i in range(16)]
arguments = SFTConfig(
    output_dir="out", report_to="wandb", run_name="sft", max_steps=4, logging_steps=1,
    per_device_train_batch_size=4, save_strategy="no", use_cpu=True, disable_tqdm=True,
    max_length=16, seed=5, bf16=False,
)
SFTTrainer(
    model=GPT2LMHeadModel(config), args=arguments,
    train_dataset=Dataset.from_dict({"text": texts}), processing_class=tokenizer,
).train()
"""
