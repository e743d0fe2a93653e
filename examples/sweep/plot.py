"""Draws points into an SVG file, which every browser shows."""

WIDTH, HEIGHT, MARGIN = 640, 360, 50
COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#7b2d8b")


def draw(path, points):
    """Draw accuracies above the number of the settings, in a colour for each model.

    Args:
        path: Where to write the file.
        points: The name of the model and the accuracy of each of the settings.
    """
    names = sorted({name for name, _ in points})
    lowest = min(accuracy for _, accuracy in points)
    step = (WIDTH - 2 * MARGIN) / len(points)
    scale = (HEIGHT - 2 * MARGIN) / (1 - lowest or 1)
    shapes = []
    for number, (name, accuracy) in enumerate(points):
        x, y = MARGIN + number * step, MARGIN + (1 - accuracy) * scale
        colour = COLOURS[names.index(name)]
        shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
    for line, name in enumerate(names):
        x = MARGIN + line * (WIDTH - 2 * MARGIN) / len(names)
        colour = COLOURS[line]
        shapes.append(f'<text x="{x:.0f}" y="25" fill="{colour}">{name}</text>')
    for accuracy in (lowest, 1):
        y = MARGIN + (1 - accuracy) * scale
        shapes.append(f'<text x="5" y="{y:.0f}">{accuracy:.2f}</text>')
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    text = "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">',
            '<rect width="100%" height="100%" fill="white"/>',
            *shapes,
            "</svg>\n",
        )
    )
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
