/** What bindings of C functions are made with. */
package starling.foreign;
