"""Writes sacrebleu_reference.json, the scores that tests/metrics_sacrebleu.rs compares with.

    pip install sacrebleu==2.6.0
    python sacrebleu_reference.py
"""

import json
import random
from pathlib import Path

import sacrebleu
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

WORDS = "the a cat cats sat on mat . , dog's 3.5 1,000 (see) - 10-15 % über naïve J'ai «oui» ?".split()


def noisy(rng, sentence):
    """A translation that is often but not always right."""
    out = []
    for word in sentence:
        chance = rng.random()
        if chance < 0.1:
            continue
        out.append(rng.choice(WORDS) if chance < 0.25 else word)
    return out


def random_corpus(seed, sentences, references):
    rng = random.Random(seed)
    hypotheses, all_references = [], []
    for _ in range(sentences):
        sentence = [rng.choice(WORDS) for _ in range(rng.randint(1, 14))]
        hypotheses.append(" ".join(noisy(rng, sentence)))
        count = rng.randint(1, references)
        all_references.append([" ".join(noisy(rng, sentence)) for _ in range(count)])
    return hypotheses, all_references


# Name -> hypotheses, and for each of them its references.
CORPORA = {
    "exact": (["The cat sat on the mat.", "Yes!"], [["The cat sat on the mat."], ["Yes!"]]),
    "nothing in common": (["aaa bbb"], [["ccc ddd"]]),
    "case counts": (["the CAT sat on the mat today"], [["The cat sat on the mat today"]]),
    "short sentences need smoothing": (["the cat"], [["the dog"]]),
    "no four-gram matches": (
        ["the cat sat there on a mat", "he said so then"],
        [["the cat sat down on the mat"], ["she said so now"]],
    ),
    "one word": (["yes"], [["yes"]]),
    "too short": (["It is a guide"], [["It is a guide to action that ensures it will be heard"]]),
    "too long": (["the the the the the the the"], [["the cat is on the mat"]]),
    "all hypotheses empty": (["", ""], [["a b c d e"], ["f g"]]),
    "one hypothesis empty": (
        ["", "this is the second sentence , fine ."],
        [["the first one"], ["this is the second sentence, fine."]],
    ),
    "empty reference": (["a word too many", "same here now too"], [[""], ["same here now too"]]),
    "only white space": ([" \t ", "a b c d e"], [["x"], ["a b c d e"]]),
    "punctuation": (
        [
            'He said: "No, thanks..." (really?!) -- and/or left; [sic] {x} <y> #1 @home 50% $5 a_b^c~d`e|f\\g*h+i=j',
            "It's 'quoted' and J'ai, l'eau... l'été!",
        ],
        [
            [
                'He said: "No thanks..." (really?) - and / or left; [sic] {x} <y> # 1 @home 50 % $5 a_b^c~d`e|f\\g*h + i=j'
            ],
            ["It's 'quoted' and J'ai l'eau ... l'été !"],
        ],
    ),
    "numbers": (
        ["3.14 and 1,000,000.5 in 2024-05-06, 10-15 or 7- and .5 or 5. then a.b,c 1.,2 ,,3 ..4"],
        [["3.14 and 1,000,000 in 2024-05-07, 10-15 or 7 - and 0.5 or 5 . then a.b, c 1., 2 , ,3 ..4"]],
    ),
    "entities and markup": (
        ["AT&amp;T said &quot;no&quot; &lt;b&gt; <skipped>really &amp;lt; co-\nop two\nlines"],
        [['AT&T said "no" <b> really < coop two lines']],
    ),
    "unicode": (
        ["Ça coûte 5 € — c’est «très» cher… 日本語、です。 हिन्दी 👩‍👩‍👧 i̇", "Größe: ٣٫١٤ ½ x²"],
        [["Ça coûte 5€ – c’est « très » cher… 日本語です。 हिन्दी 👩‍👧 ı"], ["Größe: ٣٫١٥ ½ x²"]],
    ),
    "odd white space": (
        ["a\u00a0b\u3000c d\u2003e\u200bf \u0085g\x1ch\x1fi", "one  two\tthree four five\r\n"],
        [["a b c d e\u200bf g h i"], ["one two three four five"]],
    ),
    "two references": (
        ["the cat is on the mat", "there is a dog here"],
        [
            ["the cat sat on a mat", "a cat is on the mat now"],
            ["a dog is here", "here there is a dog, you see"],
        ],
    ),
    "equally close references": (["a b c d e"], [["a b c d e f", "a b c d"]]),
    "random, one reference": random_corpus(1, 40, 1),
    "random, up to three references": random_corpus(2, 25, 3),
}


def streams(references):
    """Lists by sentence into sacrebleu's lists by reference number, `None` where there is none."""
    width = max(len(sentence) for sentence in references)
    return [[s[i] if i < len(s) else None for s in references] for i in range(width)]


def main():
    cases = []
    for name, (hypotheses, references) in CORPORA.items():
        bleu, chrf = BLEU(), CHRF()
        bleu_score = bleu.corpus_score(hypotheses, streams(references))
        chrf_score = chrf.corpus_score(hypotheses, streams(references))
        cases.append(
            {
                "name": name,
                "hypotheses": hypotheses,
                "references": references,
                "tokens": [Tokenizer13a()(line.rstrip()) for line in hypotheses],
                "bleu": bleu_score.score,
                "bleu_precisions": bleu_score.precisions,
                "bleu_line": bleu_score.format(signature=str(bleu.get_signature())),
                "chrf": chrf_score.score,
                "chrf_line": chrf_score.format(signature=str(chrf.get_signature())),
            }
        )
    made_by = f"sacrebleu {sacrebleu.__version__}"
    lines = ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases)
    out = Path(__file__).with_suffix(".json")
    out.write_text(f'{{"made_by": "{made_by}", "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
