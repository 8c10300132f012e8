"""A small vision transformer whose head reads a class token, with every attention matrix a layer that is recorded."""

from torch import Tensor, cat, nn, randn, zeros

from course_lib.networks.architectures import Normalize, trunk


class Attention(nn.Module):
    """softmax(Q Kᵀ / √d): how much each token (row) takes from each token (column), (B, heads, T, T); rows sum to 1.

    A layer of its own, so that `record` keeps the attention and its gradient as those of any other layer.
    Source: Vaswani et al., NeurIPS 2017, equation 1.
    """

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        looked_at: Tensor = (queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5).softmax(-1)
        return looked_at


class SelfAttention(nn.Module):
    """Tokens (B, T, width) look at one another: in each head, attention times values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.attention = Attention()
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        q, k, v = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed: Tensor = self.out((self.attention(q, k) @ v).transpose(1, 2).flatten(2))
        return mixed


class Block(nn.Module):
    """Attention between tokens, then two linear layers on each token alone; both are added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.self_attention = SelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.self_attention(self.norm1(tokens))
        mixed: Tensor = tokens + self.mlp(self.norm2(tokens))
        return mixed


class ClassTokenTransformer(nn.Module):
    """Four blocks of convolutions, patches of 8 x 8 pixels as tokens, four blocks of attention; one token decides.

    The head reads the class token alone, which stands before the 64 patch tokens. Source: Dosovitskiy et al., ICLR
    2021 (there the patches are of bare pixels, which takes far more pictures).
    """

    def __init__(self, classes: int, width: int = 64, depth: int = 4, heads: int = 4) -> None:
        super().__init__()
        self.normalize = Normalize()
        self.features = trunk((16, 32, 64, 64))  # 16 x 16 cells of 4 pixels
        self.patches = nn.Conv2d(64, width, 2, 2)
        self.class_token = nn.Parameter(zeros(1, 1, width))
        self.positions = nn.Parameter(0.02 * randn(1, 65, width))
        self.embedding = nn.Identity()  # the tokens before the first block, for a tape
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        patches = self.patches(self.features(self.normalize(pictures))).flatten(2).transpose(1, 2)
        tokens = cat([self.class_token.expand(len(patches), -1, -1), patches], 1) + self.positions
        logits: Tensor = self.fc(self.norm(self.blocks(self.embedding(tokens)))[:, 0])
        return logits
