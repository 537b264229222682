/** A program that names methods by their specs alone and knows none of their classes. */
module example.program {
  requires starling;
}
