#!/bin/sh
# Seeds as an experiment: what varies the result, how many are needed, is wider better?
set -e
cd "$(dirname "$0")"
jobs="${JOBS:-2}"
[ -f digits.npz ] || python digits.py
if ! git rev-parse --git-dir > /dev/null 2>&1; then  # so that a commit has the code of every run
  git init -q && git add -A
  git -c user.name=Example -c user.email=example@localhost commit -q -m "A study of seeds"
fi
# Four seeds of the first weights, each with four of the order of data, and the first cell twice.
samebit seeds train.py --init 4 --order 4 --name crossed --jobs "$jobs"
samebit seeds show crossed
# Two networks with five seeds each: too few to tell them apart.
for width in 32 64; do
  samebit seeds train.py --n 5 --name "width-$width" --jobs "$jobs" -- --width "$width"
done
samebit versus width-64 width-32
samebit seeds show width-64 --than width-32
# The same studies, made longer: the first five count.
for width in 32 64; do
  samebit seeds train.py --n 20 --name "width-$width" --jobs "$jobs" -- --width "$width"
done
samebit versus width-64 width-32
