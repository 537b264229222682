package starling.cli;

import java.awt.Graphics2D;
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
  private KeptTokens() {}

  /** What became of an image's tokens: every crop that the tower saw, side by side. */
  static BufferedImage draw(Model model, Image image, int index, Answer answer, Question question) {
    ImageInput input = model.prepare(image, question.imageOptions(), "image " + index);
    ImageTokens tokens = input.tokens();
    Fate[] fates = fates(tokens.candidates(), index, answer.stages());
    var crops = new ArrayList<BufferedImage>();
    for (int c = 0; c < tokens.crops().size(); c++) {
      crops.add(
          Overlay.draw(
              image,
              input.crops().get(c).region(),
              ofCrop(tokens, c, fates),
              tokens.crops().get(c).columns()));
    }
    return beside(crops);
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

  static BufferedImage beside(List<BufferedImage> images) {
    if (images.size() == 1) {
      return images.get(0);
    }
    int gap = 8;
    int width = images.stream().mapToInt(i -> i.getWidth() + gap).sum() - gap;
    int height = images.stream().mapToInt(BufferedImage::getHeight).max().orElseThrow();
    var all = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    Graphics2D g = all.createGraphics();
    int x = 0;
    for (BufferedImage image : images) {
      g.drawImage(image, x, 0, null);
      x += image.getWidth() + gap;
    }
    g.dispose();
    return all;
  }
}
