package starling.cli;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import starling.Answer;
import starling.Model;
import starling.Question;
import starling.image.Image;
import starling.image.Overlay;
import starling.image.Overlay.Fate;
import starling.model.ImageInput;
import starling.prune.ImageTokens;

/** Draws which visual tokens an answer kept. */
final class KeptTokens {
  private static final int GAP = 8;
  private static final int SEAM = 2; // between the tiles of an image

  private KeptTokens() {}

  /**
   * What became of an image's tokens: the whole image as the tower saw it, and beside it its tiles,
   * if there are any, as they lie in the image.
   */
  static BufferedImage draw(Model model, Image image, int index, Answer answer, Question question) {
    ImageInput input = model.prepare(image, question.imageOptions(), "image " + index);
    ImageTokens tokens = input.tokens();
    Fate[] fates = fates(tokens.candidates(), index, answer.stages());
    var crops = new ArrayList<BufferedImage>();
    var regions = new ArrayList<Rectangle2D>();
    for (int c = 0; c < tokens.crops().size(); c++) {
      Rectangle2D region = input.crops().get(c).region();
      int columns = tokens.crops().get(c).columns();
      regions.add(region);
      crops.add(Overlay.draw(image, region, ofCrop(tokens, c, fates), columns));
    }
    int n = crops.size();
    return n == 1
        ? crops.get(0)
        : beside(List.of(crops.get(0), tiled(crops.subList(1, n), regions.subList(1, n))));
  }

  /** Tiles of one size as their regions lie to each other. */
  static BufferedImage tiled(List<BufferedImage> tiles, List<Rectangle2D> regions) {
    double left = regions.stream().mapToDouble(Rectangle2D::getX).min().orElseThrow();
    double top = regions.stream().mapToDouble(Rectangle2D::getY).min().orElseThrow();
    int[] x = new int[tiles.size()];
    int[] y = new int[tiles.size()];
    for (int i = 0; i < x.length; i++) {
      Rectangle2D region = regions.get(i);
      int column = (int) Math.round((region.getX() - left) / region.getWidth());
      int row = (int) Math.round((region.getY() - top) / region.getHeight());
      x[i] = column * (tiles.get(i).getWidth() + SEAM);
      y[i] = row * (tiles.get(i).getHeight() + SEAM);
    }
    return placed(tiles, x, y);
  }

  /** What became of each place of a crop's grid. */
  static Fate[] ofCrop(ImageTokens tokens, int crop, Fate[] fates) {
    ImageTokens.Crop grid = tokens.crops().get(crop);
    var places = new Fate[grid.rows() * grid.columns()];
    Arrays.fill(places, Fate.NO_TOKEN);
    for (int j = 0; j < fates.length; j++) {
      if (tokens.crop()[j] == crop) {
        places[tokens.place()[j]] = fates[j];
      }
    }
    return places;
  }

  /** What became of each candidate of an image; of several crops a stage may have an entry each. */
  static Fate[] fates(int candidates, int image, List<Answer.Stage> stages) {
    var fates = new Fate[candidates];
    Arrays.fill(fates, Fate.KEPT);
    var own = stages.stream().filter(s -> s.image() == image).toList();
    for (int stage : own.stream().mapToInt(Answer.Stage::stage).distinct().sorted().toArray()) {
      var kept = new boolean[candidates];
      own.stream()
          .filter(s -> s.stage() == stage)
          .forEach(s -> s.kept().forEach(token -> kept[token] = true));
      for (int i = 0; i < candidates; i++) {
        if (fates[i] == Fate.KEPT && !kept[i]) {
          fates[i] = stage == 1 ? Fate.DROPPED_BY_STAGE_1 : Fate.DROPPED_LATER;
        }
      }
    }
    return fates;
  }

  /** Images from left to right. */
  static BufferedImage beside(List<BufferedImage> images) {
    int[] x = new int[images.size()];
    for (int i = 1; i < x.length; i++) {
      x[i] = x[i - 1] + images.get(i - 1).getWidth() + GAP;
    }
    return placed(images, x, new int[images.size()]);
  }

  private static BufferedImage placed(List<BufferedImage> images, int[] x, int[] y) {
    int width = 0;
    int height = 0;
    for (int i = 0; i < x.length; i++) {
      width = Math.max(width, x[i] + images.get(i).getWidth());
      height = Math.max(height, y[i] + images.get(i).getHeight());
    }
    var all = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    Graphics2D g = all.createGraphics();
    g.setColor(Color.WHITE); // what is dropped may be black
    g.fillRect(0, 0, width, height);
    for (int i = 0; i < x.length; i++) {
      g.drawImage(images.get(i), x[i], y[i], null);
    }
    g.dispose();
    return all;
  }
}
