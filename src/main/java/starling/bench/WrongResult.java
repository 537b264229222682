package starling.bench;

/** Not a crash of the program under test but a result that must not get a time. */
final class WrongResult extends RuntimeException {
  private static final long serialVersionUID = 1;

  WrongResult(String why) {
    super(why);
  }
}
