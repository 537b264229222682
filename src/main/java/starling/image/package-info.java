/** Images: reading PNG and JPEG as Pillow does, CLIP preprocessing, drawings of kept tokens. */
package starling.image;
